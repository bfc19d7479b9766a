"""One labelled example, and what a data set is."""

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Example:
    """Words and, for each head by its name, a tag for every word or one class."""

    words: tuple[str, ...]
    targets: dict[str, tuple[str, ...] | str]


class Splits(NamedTuple):
    """train to learn from, dev to choose by, test to be read once."""

    train: list[Example]
    dev: list[Example]
    test: list[Example]
