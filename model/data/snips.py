"""SNIPS in the form of Goo et al. 2018: line-parallel seq.in, seq.out and label."""

from pathlib import Path

from model.data.examples import Example, Splits
from model.errors import DataError


def read(folder: Path) -> Splits:
    """The three splits, with targets `slots` (BIO tag of each word) and `intent`.

    Raises:
        DataError: the three files of a split do not go line by line.
    """
    return Splits(*(_read_split(folder / name) for name in ("train", "dev", "test")))


def _read_split(folder: Path) -> list[Example]:
    columns = [
        (folder / name).read_text("utf-8").splitlines() for name in ("seq.in", "seq.out", "label")
    ]
    if len({len(lines) for lines in columns}) != 1:
        raise DataError(f"{folder}: seq.in, seq.out and label differ in their number of lines")
    examples = []
    for number, (text, tags, intent) in enumerate(zip(*columns, strict=True), start=1):
        words, slots = tuple(text.split()), tuple(tags.split())
        if len(words) != len(slots) or not words:
            raise DataError(f"{folder}, line {number}: {len(words)} words but {len(slots)} tags")
        examples.append(Example(words, {"slots": slots, "intent": intent.strip()}))
    return examples
