"""What a network takes, given as it is: checked against the manifest, and not preprocessed."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from export.bundle import Manifest
from model.errors import InputError
from model.preprocess.vectors import check_finite


class Raw(NamedTuple):
    """One input, ready for the network.

    Attributes:
        arrays: the network's inputs but `valid`, in the manifest's order, without the axis batch
            and without padding; the first has an entry for each position.
    """

    arrays: dict[str, NDArray[Any]]

    @property
    def length(self) -> int:
        """Its positions."""
        return len(next(iter(self.arrays.values())))

    @property
    def labelled(self) -> Sequence[int]:
        """None: nobody says which positions are something that has a label."""
        return ()


def check_raw(raw: Raw, manifest: Manifest, tokens: int) -> Raw:
    """Give it back, if the network can take it.

    Args:
        raw: an input.
        manifest: of the model.
        tokens: token ids are less than this.

    Raises:
        InputError: nothing, or too much; or a number that is not allowed.
    """
    length, allowed = raw.length, manifest.max_length
    if not 0 < length <= allowed:
        raise InputError(f"{length} positions; 1 to {allowed} are allowed")
    for name, array in raw.arrays.items():
        if name == "edges":
            _check_edges(array, length, getattr(manifest.preprocess, "max_edges", 0))
        elif array.dtype.kind == "f":
            check_finite(array)
        elif array.min() < 0 or array.max() >= tokens:
            raise InputError(f"a token id is none of 0 to {tokens - 1}")
    return raw


def _check_edges(edges: NDArray[np.int64], length: int, allowed: int) -> None:
    if not 0 < len(edges) <= allowed:
        raise InputError(f"{len(edges)} edges; 1 to {allowed} are allowed")
    strange = ((edges < 0) | (edges >= length)).any(axis=1)
    if strange.any():
        first = int(strange.argmax())
        found = f"edge {first} is {edges[first].tolist()}"
        raise InputError(f"{found}; positions are 0 to {length - 1}")
