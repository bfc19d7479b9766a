"""Text -> token ids, as a `transformers` tokenizer reads it.

The text goes through the tokenizer as it is, without being split into words first.
"""

import numpy as np

from model.errors import InputError
from model.preprocess.text import EncodedText, Span, TextPreprocessor

SPECIAL = 2  # positions at the ends


def encode_chunks(
    preprocessor: TextPreprocessor, stride: int | None, text: str
) -> list[EncodedText]:
    """Encode a text; every piece of it counts as a word.

    Args:
        preprocessor: of the model.
        stride: how many pieces two neighbouring chunks share, if the text may be cut into chunks;
            less than what a chunk can hold.
        text: may be empty.

    Raises:
        InputError: it is too long, and may not be cut.
    """
    tokenizer, room = preprocessor.tokenizer, preprocessor.max_length - SPECIAL
    encoding = tokenizer.encode(text, add_special_tokens=False)
    ids, offsets = encoding.ids, encoding.offsets
    if stride is None and len(ids) > room:
        raise InputError(
            f"{len(ids) + SPECIAL} positions; at most {preprocessor.max_length} are allowed, "
            "or more for token-classification with a stride"
        )
    first, last = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    shared = stride or 0
    chunks = []
    for start in range(0, max(len(ids) - shared, 1), room - shared):
        part = slice(start, start + room)
        token_ids = np.array([first, *ids[part], last], np.int64)
        spans = offsets[part]
        own: list[tuple[Span, ...]] = [((0, end - start),) for start, end in spans]
        chunks.append(EncodedText(token_ids, spans, list(range(1, len(spans) + 1)), own))
    return chunks
