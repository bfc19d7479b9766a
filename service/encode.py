"""Inputs of a request -> arrays; what cannot be encoded is named by its place."""

from collections.abc import Callable, Sequence
from typing import Any

from model.errors import InputError
from model.preprocess.batch import Encoded
from model.preprocess.modalities import Preprocessor
from service.errors import Fault, InvalidInput
from service.inputs import Source
from service.limits import locate
from service.raw import Raw

EncodeText = Callable[[str], Sequence[Encoded]]


def encode(
    given: Sequence[Any],
    many: bool,
    read: Callable[[Any], Source],
    preprocessor: Preprocessor,
    encode_text: EncodeText | None = None,
) -> tuple[list[Source], list[Encoded]]:
    """Read and encode every input.

    Args:
        given: the inputs.
        many: they were given as a list.
        read: one of them -> what the preprocessor takes, or what is taken as it is.
        preprocessor: of the model.
        encode_text: makes one or more inputs of a text, where not the preprocessor shall.

    Raises:
        InvalidInput: one of them cannot be encoded.
    """
    sources: list[Source] = []
    encoded: list[Encoded] = []
    for index, each in enumerate(given):
        try:
            source = read(each)
            sources.append(source)
            if isinstance(source, Raw):
                encoded.append(source)
            elif encode_text and isinstance(source, str):
                encoded.extend(encode_text(source))
            else:
                encoded.append(preprocessor.encode(source))
        except InputError as error:
            fault: Fault = {"loc": locate(index, many), "message": str(error)}
            raise InvalidInput([fault]) from error
    return sources, encoded
