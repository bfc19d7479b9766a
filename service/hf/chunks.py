"""Texts -> token ids, as a `transformers` tokenizer reads them.

A text goes through the tokenizer as it is, without being split into words first.
"""

import numpy as np

from model.errors import InputError
from model.preprocess.text import EncodedText, Span, TextPreprocessor
from service.errors import TooLarge

SPECIAL = 2  # positions at the ends


class Chunker:
    """Encodes the texts of one request; every piece counts as a word.

    Args:
        preprocessor: of the model.
        stride: how many pieces two neighbouring chunks share, where a text may be cut into chunks;
            less than what a chunk holds.
        most: positions in all.

    Attributes:
        counts: of chunks, for each text so far.
    """

    def __init__(self, preprocessor: TextPreprocessor, stride: int | None, most: int):
        self._tokenizer = preprocessor.tokenizer
        self._longest = preprocessor.max_length
        self._ends = [self._tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]")]
        self._stride = stride
        self._most = self._left = most
        self.counts: list[int] = []

    def encode(self, text: str) -> list[EncodedText]:
        """One or more chunks; the text may be empty.

        Raises:
            InputError: it is too long, and may not be cut.
            TooLarge: with those before it has too many positions.
        """
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        ids, offsets = encoding.ids, encoding.offsets
        room = self._longest - SPECIAL
        if self._stride is None and len(ids) > room:
            raise InputError(
                f"{len(ids) + SPECIAL} positions; at most {self._longest} are allowed, "
                "or more for token-classification with a stride"
            )
        shared = self._stride or 0
        starts = range(0, max(len(ids) - shared, 1), room - shared)
        self._left -= len(ids) + (len(starts) - 1) * shared + len(starts) * SPECIAL
        if self._left < 0:  # found before they are made, for there may be very many
            message = f"more than {self._most} positions over all inputs, with what chunks share"
            raise TooLarge([{"loc": ["inputs"], "message": message}])
        self.counts.append(len(starts))
        first, last = self._ends
        chunks = []
        for start in starts:
            part = slice(start, start + room)
            token_ids = np.array([first, *ids[part], last], np.int64)
            spans = offsets[part]
            own: list[tuple[Span, ...]] = [((0, end - start),) for start, end in spans]
            chunks.append(EncodedText(token_ids, spans, list(range(1, len(spans) + 1)), own))
        return chunks
