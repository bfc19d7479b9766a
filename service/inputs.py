"""An input of a request -> what the model's preprocessor takes."""

import binascii
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

import model.preprocess.graph as graphs
from model.config import ImageConfig, SpeechConfig
from model.errors import InputError
from model.preprocess.audio import decode, resample
from model.preprocess.image_file import read_image
from model.preprocess.npy import read_npy
from model.preprocess.speech import POSITIONS_A_SECOND
from service.raw import Raw
from service.schemas import Audio, Graph, Image, Input, Vectors, Words

A_FILE = 1_000_000  # weighs so much, however small it is
COMPRESSED = (Audio, Image, bytes)

Source = Any  # see the modality's preprocessor; of text: the text, or its words


class Taken(NamedTuple):
    """What inputs a modality takes.

    told: of them, in an error.
    kinds: of the request's inputs.
    read: with the modality's config and the most positions, one of them -> what the preprocessor
        encodes. Raises InputError.
    """

    told: str
    kinds: tuple[type, ...]
    read: Callable[[Any, int, Any], Source]


def read_input(config: Any, max_length: int, given: Input | bytes) -> Source:
    """What the preprocessor encodes.

    Args:
        config: the model's `PreprocessConfig`.
        max_length: most positions of an input.
        given: the input; or the file that it would hold in base64.

    Raises:
        InputError: the model takes other inputs, or it cannot be read.
    """
    taken = TAKEN[config.modality]
    if not isinstance(given, taken.kinds):
        raise InputError(f"this model takes {taken.told}")
    return taken.read(config, max_length, given)


def size_of(given: Input | Source) -> int:
    """What it weighs: characters, or numbers; what a compressed file holds is not known yet."""
    if isinstance(given, COMPRESSED):
        return A_FILE
    if isinstance(given, Raw):
        return sum(array.size for array in given.arrays.values())
    parts = [value for _, value in given] if isinstance(given, BaseModel) else [given]
    return sum(len(part) if isinstance(part, str) else sum(map(len, part)) for part in parts)


def _read_text(_: object, __: int, given: str | Words) -> Source:
    return given.words if isinstance(given, Words) else given


def _read_audio(config: SpeechConfig, max_length: int, given: Audio | bytes) -> Source:
    samples, rate = decode(
        given if isinstance(given, bytes) else read_base64(given.audio),
        max_length / POSITIONS_A_SECOND,
    )
    return resample(samples, rate, config.rate)


def _read_image(config: ImageConfig, _: int, given: Image | bytes) -> Source:
    return read_image(
        given if isinstance(given, bytes) else read_base64(given.image), config.rows, config.columns
    )


def _read_graph(_: object, __: int, given: Graph) -> Source:
    return graphs.Graph(_read_rows(given.nodes, "node"), given.edges)


def _read_vectors(_: object, __: int, given: Vectors) -> Source:
    if isinstance(given.vectors, str):
        return read_npy(read_base64(given.vectors))
    return _read_rows(given.vectors, "vector")


def read_base64(text: str) -> bytes:
    """The bytes of a file.

    Raises:
        InputError: this is no base64.
    """
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise InputError(f"not base64: {error}") from error


def _read_rows(rows: list[list[float]], name: str) -> NDArray[np.float64]:
    width = len(rows[0])
    for index, row in enumerate(rows):
        if len(row) != width:
            raise InputError(f"{name} {index} has {len(row)} numbers, the first has {width}")
    return np.array(rows, np.float64)


TAKEN: Mapping[str, Taken] = {
    "text": Taken('text or {"words": [...]}', (str, Words), _read_text),
    "spelling": Taken("text: one word", (str,), _read_text),
    "speech": Taken(
        '{"audio": "..."}, a WAV, FLAC or Ogg file in base64', (Audio, bytes), _read_audio
    ),
    "image": Taken('{"image": "..."}, a PNG or JPEG file in base64', (Image, bytes), _read_image),
    "graph": Taken('{"nodes": [[...]], "edges": [[0, 1], ...]}', (Graph,), _read_graph),
    "vectors": Taken(
        '{"vectors": [[...], ...]}, or {"vectors": "..."}, a .npy file in base64',
        (Vectors,),
        _read_vectors,
    ),
}
