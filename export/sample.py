"""Inputs of no meaning, of any size: what a graph is traced, compared and warmed up with."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from export.bundle import Tensor
from model.config import EDGES, Input
from model.preprocess.batch import PADDING, Arrays

EDGES_OF_A_NODE = 3  # of which one is padding


def sample(
    inputs: Sequence[Input], tokens: int, batch: int, length: int, rng: np.random.Generator
) -> Arrays:
    """Random arrays of a network, the first input as long as may be, all others padded.

    Args:
        inputs: of the network.
        tokens: token ids are less than this.
        batch: how many inputs.
        length: positions of the longest.
        rng: to draw from.
    """
    lengths = rng.integers(1, length + 1, batch)
    lengths[0] = length
    edges = EDGES_OF_A_NODE * length
    sizes = {"batch": batch, "length": length, "edges": edges}
    arrays: Arrays = {}
    for array in inputs:
        shape = _shape(array.axes, sizes)
        if array.name == "valid":
            arrays["valid"] = np.arange(length) < lengths[:, None]
        elif array == EDGES:
            arrays["edges"] = _edges(lengths, shape, rng)
        elif array.dtype == "int64":
            arrays[array.name] = rng.integers(0, tokens, shape)
        else:
            arrays[array.name] = rng.standard_normal(shape, np.float32)
    return arrays


def extreme(inputs: Sequence[Tensor], tokens: int, batch: int, length: int) -> Arrays:
    """Arrays of a network without padding, of the largest token and of ones.

    Args:
        inputs: of the network.
        tokens: token ids are less than this.
        batch: how many inputs.
        length: positions of each.
    """
    sizes = {"batch": batch, "length": length, "edges": length}
    arrays: Arrays = {}
    for array in inputs:
        shape = _shape(array.axes, sizes)
        if array.name == EDGES.name:
            loops = np.repeat(np.arange(length)[:, None], 2, axis=1)
            arrays[array.name] = np.tile(loops, (batch, 1, 1))
        else:
            value = max(tokens - 1, 0) if array.dtype == "int64" else 1
            arrays[array.name] = np.full(shape, value, array.dtype)
    return arrays


def _shape(axes: Sequence[str | int], sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(axis if isinstance(axis, int) else sizes[axis] for axis in axes)


def _edges(
    lengths: NDArray[np.int64], shape: tuple[int, ...], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Self loops, then pairs at random, then padding."""
    edges = np.full(shape, PADDING["edges"], np.int64)
    for row, length in enumerate(lengths):
        edges[row, :length] = np.arange(length)[:, None]
        edges[row, length : 2 * length] = rng.integers(0, length, (length, 2))
    return edges
