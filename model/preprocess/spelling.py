"""A word -> ids of its letters; the same code in training and in serving.

Each letter has several positions, so that a head may say more of it than one label: AX is three
phonemes. Each of them has an id of its own, and another one in the last letter of a word, so that
the network need not count.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.config import SpellingConfig
from model.errors import InputError
from model.preprocess.batch import Place


class EncodedSpelling(NamedTuple):
    """One word, ready for the network.

    Attributes:
        token_ids: int64 (length,), 0 being no letter's.
        labelled: the first position of each letter.
    """

    token_ids: NDArray[np.int64]
    labelled: range

    @property
    def arrays(self) -> dict[str, NDArray[np.int64]]:
        """What the network takes."""
        return {"token_ids": self.token_ids}

    @property
    def length(self) -> int:
        """Its positions."""
        return len(self.token_ids)


class SpellingPreprocessor:
    """Encodes one word at a time. Safe to use from several threads.

    Args:
        config: the letters, and how many positions each has.
        max_length: positions a network takes.

    Attributes:
        tokens: one more than the largest token id.
    """

    def __init__(self, config: SpellingConfig, max_length: int):
        self.letters, self.repeat, self.tokens = config.letters, config.repeat, config.tokens
        self.max_letters = max_length // self.repeat
        firsts = range(1, self.tokens, 2 * self.repeat)
        self._first_ids = dict(zip(self.letters, firsts, strict=True))
        if "'" in self._first_ids:
            self._first_ids["\u2019"] = self._first_ids["'"]

    def encode(self, source: str) -> EncodedSpelling:
        """Encode a word, in upper or lower case.

        Raises:
            InputError: no letter, too many, or one that is not in the alphabet.
        """
        if not 0 < len(source) <= self.max_letters:
            raise InputError(f"{len(source)} letters; 1 to {self.max_letters} are allowed")
        firsts = [self._first_ids.get(character.lower(), 0) for character in source]
        if 0 in firsts:
            place = firsts.index(0)
            raise InputError(
                f"{source[place]!r} at {place} is none of the letters {self.letters}; "
                "an input is one word"
            )
        firsts[-1] += self.repeat
        token_ids = np.add.outer(np.array(firsts), np.arange(self.repeat)).ravel()
        return EncodedSpelling(token_ids, range(0, len(token_ids), self.repeat))

    def place(self, start: int, end: int) -> Place:
        """The letters that the positions belong to."""
        return {"start": start // self.repeat, "end": (end - 1) // self.repeat + 1}
