"""One labelled example, and what a data set is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

# token: a label for each labelled position, None where it is not known; sequence: a label; value: a
# number; ctc: labels in order or, to measure by, several such tuples, each of which is right.
Target = tuple[str | None, ...] | str | float | frozenset[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Example:
    """An input, and what each head should answer.

    Attributes:
        source: what the modality's preprocessor encodes: of text its words.
        targets: by the name of the head; one that is missing is not known.
    """

    source: Any
    targets: Mapping[str, Target]


class Splits(NamedTuple):
    """train to learn from, dev to choose by, test to be read once."""

    train: list[Example]
    dev: list[Example]
    test: list[Example]
