"""Vectors as they are: a set of vectors is a set of vectors."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.config import VectorsConfig
from model.errors import InputError
from model.preprocess.batch import Place


class EncodedVectors(NamedTuple):
    """One input, ready for the network.

    Attributes:
        arrays: `vectors` float32 (length, features), and what else the network takes.
    """

    arrays: dict[str, NDArray[np.generic]]

    @property
    def length(self) -> int:
        """Its positions."""
        return len(self.arrays["vectors"])

    @property
    def labelled(self) -> Sequence[int]:
        """The positions that token heads label: all."""
        return range(self.length)


class VectorsPreprocessor:
    """Takes arrays of the right shape.

    Args:
        config: how many features a vector has.
        max_length: positions a network takes.
    """

    def __init__(self, config: VectorsConfig, max_length: int):
        self.features, self.max_length = config.features, max_length

    def encode(self, source: ArrayLike) -> EncodedVectors:
        """Numbers (length, features).

        Raises:
            InputError: another shape, too long, or not all of it finite.
        """
        return EncodedVectors({"vectors": check_vectors(source, self.features, self.max_length)})

    def place(self, start: int, end: int) -> Place:
        """The index of the first vector."""
        return {"position": start}


def check_vectors(source: ArrayLike, features: int, max_length: int) -> NDArray[np.float32]:
    """As float32 (length, features).

    Raises:
        InputError: another shape, too long, or not all of it finite.
    """
    try:
        with np.errstate(over="ignore"):
            vectors = np.asarray(source, np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"vectors are lists of {features} numbers each") from error
    if vectors.ndim != 2 or vectors.shape[1] != features or not len(vectors):
        raise InputError(f"shape {vectors.shape}; (length, {features}) is wanted")
    if len(vectors) > max_length:
        raise InputError(f"{len(vectors)} positions; at most {max_length} are allowed")
    check_finite(vectors)
    return vectors


def check_finite(vectors: NDArray[np.float32]) -> None:
    """Check numbers (length, features).

    Raises:
        InputError: names the first that is not finite.
    """
    finite = np.isfinite(vectors)
    if not finite.all():
        row, column = np.unravel_index(finite.argmin(), finite.shape)
        raise InputError(f"a number is not finite as float32: vector {row}, feature {column}")
