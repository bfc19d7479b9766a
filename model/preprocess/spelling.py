"""A word -> ids of its letters; the same code in training and in serving.

Each letter has several positions, so that a head may say more of it than one label: AX is three
phonemes. Each of them has an id of its own, so that the network need not count. A last position
marks the end.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.config import SpellingConfig
from model.errors import InputError


class EncodedSpelling(NamedTuple):
    """One word, ready for the network.

    Attributes:
        token_ids: int64 (length,), 0 being no letter's.
        letters: of the word.
    """

    token_ids: NDArray[np.int64]
    letters: int

    @property
    def arrays(self) -> dict[str, NDArray[np.int64]]:
        """What the network takes."""
        return {"token_ids": self.token_ids}

    @property
    def length(self) -> int:
        """Its positions."""
        return len(self.token_ids)

    @property
    def labelled(self) -> range:
        """The positions that token heads label: each letter's first."""
        return range(0, self.length - 1, self._repeat)

    def letters_of(self, start: int, end: int) -> tuple[int, int]:
        """The letters (start, end) that positions belong to; the end mark to the last letter."""
        last = min(end - 1, self.length - 2)
        return min(start, self.length - 2) // self._repeat, last // self._repeat + 1

    @property
    def _repeat(self) -> int:
        return (self.length - 1) // self.letters


class SpellingPreprocessor:
    """Encodes one word at a time. Safe to use from several threads.

    Args:
        config: the letters, and how many positions each has.
        max_length: positions a network takes, the end mark included.

    Attributes:
        tokens: one more than the largest token id.
    """

    def __init__(self, config: SpellingConfig, max_length: int):
        self.letters, self.repeat = config.letters, config.repeat
        self.max_letters = (max_length - 1) // config.repeat
        self._ids = {
            letter: range(1 + index * self.repeat, 1 + (index + 1) * self.repeat)
            for index, letter in enumerate(config.letters)
        }
        if "'" in self._ids:
            self._ids["\u2019"] = self._ids["'"]
        self.tokens = config.tokens

    def encode(self, source: str) -> EncodedSpelling:
        """Encode a word, in upper or lower case.

        Raises:
            InputError: no letter, too many, or one that is not in the alphabet.
        """
        if not 0 < len(source) <= self.max_letters:
            raise InputError(f"{len(source)} letters; 1 to {self.max_letters} are allowed")
        ids: list[int] = []
        for place, character in enumerate(source):
            if (own := self._ids.get(character.casefold())) is None:
                raise InputError(
                    f"{character!r} at {place} is none of the letters {self.letters}; "
                    "an input is one word"
                )
            ids += own
        return EncodedSpelling(np.array([*ids, self.tokens - 1], np.int64), len(source))
