"""Inputs of a request -> arrays; what cannot be encoded is named by its place."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from model.errors import InputError
from model.preprocess.batch import Encoded
from model.preprocess.modalities import Preprocessor
from service.caller import Caller
from service.errors import Fault, InvalidInput
from service.inputs import Source
from service.limits import check_positions, locate
from service.raw import Raw
from service.settings import Settings

EncodeText = Callable[[str], Sequence[Encoded]]


def encode(
    given: Sequence[Any],
    many: bool,
    read: Callable[[Any], Source],
    preprocessor: Preprocessor,
    settings: Settings,
    caller: Caller,
    encode_text: EncodeText | None = None,
) -> tuple[list[Source], list[Encoded]]:
    """Read and encode every input.

    Args:
        given: the inputs.
        many: they were given as a list.
        read: one of them -> what the preprocessor takes, or what is taken as it is.
        preprocessor: of the model.
        settings: say how many positions all may have; a small file may hold very many.
        caller: who asks; nothing more is read once an answer would be of no use.
        encode_text: makes one or more inputs of a text, where not the preprocessor shall.

    Raises:
        InvalidInput: one of them cannot be encoded.
        TooLarge: too many positions in all.
        DeadlineExceeded, ClientLeft: see `Caller.lost`.
    """
    sources: list[Source] = []
    encoded: list[Encoded] = []
    positions = 0
    for index, each in enumerate(given):
        if index and (lost := caller.lost(perf_counter())) is not None:
            raise lost
        try:
            source = read(each)
            if isinstance(source, Raw):
                made: Sequence[Encoded] = [source]
            elif encode_text and isinstance(source, str):
                made = encode_text(source)
            else:
                made = [preprocessor.encode(source)]
        except InputError as error:
            fault: Fault = {"loc": locate(index, many), "message": str(error)}
            raise InvalidInput([fault]) from error
        positions += sum(item.length for item in made)
        check_positions(positions, settings)
        sources.append(source)
        encoded.extend(made)
    return sources, encoded
