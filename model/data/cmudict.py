"""The CMU Pronouncing Dictionary in the split of the PRONALSYL challenge (2007): g014b2b.

A line is a word and one or more pronunciations, parted by tabs; phonemes are parted by blanks.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from model.data.examples import Example, Splits
from model.errors import DataError

DEV_WORDS = 2_670
HEAD = "phonemes"
Pronunciation = tuple[str, ...]


def read(folder: Path) -> Splits:
    """The splits, with target `phonemes`.

    To learn from, each pronunciation is an example; in dev and test each word, for which all of its
    pronunciations are right. Dev are the words of the training file with the smallest SHA-256.

    Raises:
        DataError: a line has no pronunciation.
    """
    learned, test = (_read_file(folder / f"g014b2b.{end}") for end in ("train", "ref"))
    ranked = sorted(learned, key=lambda word: hashlib.sha256(word.encode()).hexdigest())
    dev = {word: learned.pop(word) for word in ranked[:DEV_WORDS]}
    train = [Example(word, {HEAD: spoken}) for word in learned for spoken in learned[word]]
    return Splits(train, _measured(dev), _measured(test))


def _measured(words: Mapping[str, Iterable[Pronunciation]]) -> list[Example]:
    return [Example(word, {HEAD: frozenset(spoken)}) for word, spoken in words.items()]


def _read_file(path: Path) -> dict[str, list[Pronunciation]]:
    """The pronunciations of each word, in the file's order."""
    words = defaultdict(list)
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        word, *spoken = line.split("\t")
        phonemes = [tuple(text.split()) for text in spoken]
        if not word or not spoken or not all(phonemes):
            raise DataError(f"{path}, line {number}: a word and its pronunciations are expected")
        words[word] += phonemes
    return words
