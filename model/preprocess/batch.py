"""Encoded inputs of different length -> one padded batch."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
Place = dict[str, int | float]  # by the names that an answer has them under
PADDING = {"edges": -1}  # of all others 0


class Encoded(Protocol):
    """One input, ready for the network."""

    @property
    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """What the network takes, by name; without the axis batch."""

    @property
    def length(self) -> int:
        """Its positions."""

    @property
    def labelled(self) -> Sequence[int]:
        """The positions that token heads label, in order."""


def pad(items: Sequence[Encoded]) -> Arrays:
    """Pad each array, at its first axis, to the longest; `valid` says which positions are real.

    Returns:
        valid: bool (batch, length), True = real position; and each of `Encoded.arrays`, with the
        axis batch in front.
    """
    valid = _mask([item.length for item in items])
    padded: Arrays = {}
    for name in items[0].arrays:
        arrays = [item.arrays[name] for item in items]
        real = valid if name != "edges" else _mask([len(array) for array in arrays])
        joined = np.concatenate(arrays)
        padded[name] = np.full((*real.shape, *joined.shape[1:]), PADDING.get(name, 0), joined.dtype)
        padded[name][real] = joined
    padded["valid"] = valid
    return padded


def _mask(lengths: Sequence[int]) -> NDArray[np.bool_]:
    found = np.array(lengths)
    mask: NDArray[np.bool_] = np.arange(found.max()) < found[:, None]
    return mask
