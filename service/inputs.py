"""An input of a request -> what the model's preprocessor takes."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from model.errors import InputError
from service.schemas import Input, Vectors, Words

Source = Any  # of text: the text, or its words


class Taken(NamedTuple):
    """What inputs a modality takes.

    told: of them, in an error.
    kinds: of the request's inputs.
    read: one of them -> what the preprocessor encodes. Raises InputError.
    """

    told: str
    kinds: tuple[type, ...]
    read: Callable[[Any], Source]


TAKEN: Mapping[str, Taken] = {
    "text": Taken(
        'text or {"words": [...]}',
        (str, Words),
        lambda given: given.words if isinstance(given, Words) else given,
    ),
    "vectors": Taken(
        '{"vectors": [[...], ...]}',
        (Vectors,),
        lambda given: _read_rows(given.vectors),
    ),
}


def read_input(modality: str, given: Input) -> Source:
    """What the preprocessor of that modality encodes.

    Raises:
        InputError: the model takes other inputs, or it cannot be read.
    """
    taken = TAKEN[modality]
    if not isinstance(given, taken.kinds):
        raise InputError(f"this model takes {taken.told}")
    return taken.read(given)


def size_of(given: Input | Source) -> int:
    """What it weighs: characters, or numbers."""
    if isinstance(given, str):
        return len(given)
    if isinstance(given, Words):
        return sum(map(len, given.words))
    if isinstance(given, BaseModel):
        _, value = next(iter(given))
        return len(value) if isinstance(value, str) else sum(map(len, value))
    return sum(map(len, given)) if isinstance(given, list) else len(given)


def _read_rows(rows: list[list[float]]) -> NDArray[np.float64]:
    width = len(rows[0])
    for index, row in enumerate(rows):
        if len(row) != width:
            raise InputError(f"vector {index} has {len(row)} numbers, the first {width}")
    return np.array(rows, np.float64)
