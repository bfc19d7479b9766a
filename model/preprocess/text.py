"""Text or words -> token ids; the same code in training and in serving.

A word's label is read at its first piece (Devlin et al. 2019, section 5.3).
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from model.errors import DataError, InputError
from model.preprocess.batch import Place

CHUNK = re.compile(r"\S+")
SURROGATE = re.compile("[\ud800-\udfff]")
CACHED_WORDS = 20_000
CACHED_LENGTH = 32  # longer words are not cached, so that the cache stays small

Span = tuple[int, int]
# A word's token ids (int64, in memory as numpy has them) and where each piece is in the word. Few
# objects, because a word that was not in the processor's caches costs a fetch for each.
Pieces = tuple[bytes, tuple[Span, ...]]
EMPTY: Pieces = (b"", ())
ID_BYTES = 8


def _pack(ids: list[int]) -> bytes:
    return np.array(ids, np.int64).tobytes()


class EncodedText(NamedTuple):
    """One input, ready for the network.

    Attributes:
        token_ids: int64 (length,), special tokens included.
        words: (start, end) of each word in the text, in Unicode code points, end exclusive;
            None where words were given.
        first: the position of each word's first piece.
        offsets: (start, end) within the word of each of its pieces, for each word.
    """

    token_ids: NDArray[np.int64]
    words: list[Span] | None
    first: list[int]
    offsets: list[tuple[Span, ...]]

    @property
    def arrays(self) -> dict[str, NDArray[np.int64]]:
        """What the network takes."""
        return {"token_ids": self.token_ids}

    @property
    def length(self) -> int:
        """Its positions."""
        return len(self.token_ids)

    @property
    def labelled(self) -> list[int]:
        """The positions that token heads label: a word's first piece, each."""
        return self.first

    @property
    def pieces(self) -> list[tuple[int, int, int] | None]:
        """For each position (word, start, end), offsets within the word; None: special."""
        own = [(word, *span) for word, spans in enumerate(self.offsets) for span in spans]
        return [None, *own, None]


def split_words(text: str) -> list[Span]:
    """Split at white space; punctuation and symbols at a word's edges are words of their own.

    "don't go to p.m., ok?" -> don't | go | to | p.m | . | , | ok | ?
    """
    words: list[Span] = []
    for chunk in CHUNK.finditer(text):
        start, end = chunk.span()
        if chunk.group().isalnum():
            words.append((start, end))
            continue
        while start < end and _is_punctuation(text[start]):
            words.append((start, start + 1))
            start += 1
        stop = end
        while stop > start and _is_punctuation(text[stop - 1]):
            stop -= 1
        if stop > start:
            words.append((start, stop))
        words.extend((i, i + 1) for i in range(stop, end))
    return words


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"


class TextPreprocessor:
    """Holds a tokenizer; encodes one input at a time. Safe to use from several threads.

    Args:
        tokenizer: the contents of a `tokenizer.json`. Its vocabulary must have [CLS], [SEP]
            and [UNK]; what a user types is never read as a special token.
        max_length: positions a network takes, special tokens included.

    Attributes:
        tokens: one more than the largest token id.

    Raises:
        DataError: the tokenizer lacks one of the three.
    """

    def __init__(self, tokenizer: str, max_length: int):
        self.tokenizer = Tokenizer.from_str(tokenizer)
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.tokenizer.encode_special_tokens = True
        self.tokens = 1 + max(self.tokenizer.get_vocab().values(), default=0)
        self.max_length = max_length
        self._first, self._last = (_pack([self._special_id(name)]) for name in ("[CLS]", "[SEP]"))
        self._unknown = self._special_id("[UNK]")
        self._known: dict[str, Pieces] = {}

    def encode(self, source: str | Sequence[str]) -> EncodedText:
        """Encode a text, or words as given.

        Raises:
            InputError: see `encode_text` and `encode_words`.
        """
        if isinstance(source, str):
            return self.encode_text(source)
        return self.encode_words([*source])

    def place(self, start: int, end: int) -> Place:
        """The index of the first position; where it is in a text, what was encoded tells."""
        return {"position": start}

    def encode_text(self, text: str) -> EncodedText:
        """Split into words and encode; words that have no visible character are left out.

        Raises:
            InputError: nothing to encode, or more than `max_length` positions.
        """
        if not text.isascii():
            text = SURROGATE.sub("\ufffd", text)
        words = split_words(text)
        known = self._known
        encoded = [known.get(word) or self._pieces(word) for word in [text[a:b] for a, b in words]]
        if EMPTY in encoded:
            words = [word for word, pieces in zip(words, encoded, strict=True) if pieces[0]]
            encoded = [pieces for pieces in encoded if pieces[0]]
        return self._join(encoded, words)

    def encode_words(self, words: list[str]) -> EncodedText:
        """Encode words as given; one that has no visible character is an unknown word.

        Raises:
            InputError: nothing to encode, or more than `max_length` positions.
        """
        encoded = [self._pieces(SURROGATE.sub("\ufffd", word)) for word in words]
        if not any(ids for ids, _ in encoded):
            encoded = []
        unknown = (_pack([self._unknown]), ((0, 0),))
        return self._join([pieces if pieces[0] else unknown for pieces in encoded], None)

    def _pieces(self, word: str) -> Pieces:
        if (known := self._known.get(word)) is not None:
            return known
        encoding = self.tokenizer.encode(word, add_special_tokens=False)
        pieces = (_pack(encoding.ids), tuple(encoding.offsets))
        if len(word) <= CACHED_LENGTH:
            if len(self._known) >= CACHED_WORDS:
                self._known.clear()
            self._known[word] = pieces
        return pieces

    def _join(self, encoded: list[Pieces], words: list[Span] | None) -> EncodedText:
        if not encoded:
            raise InputError("no visible character in the input; at least one word is needed")
        parts = [self._first]
        first = []
        length = 1
        for ids, _ in encoded:
            first.append(length)
            length += len(ids) // ID_BYTES
            parts.append(ids)
        parts.append(self._last)
        length += 1
        if length > self.max_length:
            raise InputError(f"{length} positions; at most {self.max_length} are allowed")
        token_ids = np.frombuffer(bytearray().join(parts), np.int64)
        return EncodedText(token_ids, words, first, [spans for _, spans in encoded])

    def special_text(self, token_id: int) -> str:
        """The name of a special token: [CLS] or [SEP]."""
        return str(self.tokenizer.id_to_token(token_id))

    def _special_id(self, token: str) -> int:
        token_id = self.tokenizer.token_to_id(token)
        if token_id is None:
            raise DataError(f"the tokenizer has no {token}")
        return int(token_id)
