"""Inputs of a request -> arrays; what cannot be encoded is named by its place."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from model.errors import InputError
from model.preprocess.text import EncodedText, TextPreprocessor
from service.errors import Fault, InvalidInput
from service.limits import Source, locate

Given = Source | NDArray[np.int64]  # or token ids (length,), special ones included
EncodeText = Callable[[str], list[EncodedText]]


def encode(
    given: Sequence[Given],
    many: bool,
    preprocessor: TextPreprocessor,
    encode_text: EncodeText | None = None,
) -> list[EncodedText]:
    """Encode every input.

    Args:
        given: the inputs.
        many: they were given as a list.
        preprocessor: of the model.
        encode_text: makes one or more inputs of a text, where not the preprocessor shall.

    Raises:
        InvalidInput: one of them cannot be encoded.
    """
    encoded = []
    for index, source in enumerate(given):
        try:
            if isinstance(source, str) and encode_text:
                encoded.extend(encode_text(source))
            elif isinstance(source, str):
                encoded.append(preprocessor.encode_text(source))
            elif isinstance(source, list):
                encoded.append(preprocessor.encode_words(source))
            else:
                encoded.append(preprocessor.take_ids(source))
        except InputError as error:
            fault: Fault = {"loc": locate(index, many), "message": str(error)}
            raise InvalidInput([fault]) from error
    return encoded
