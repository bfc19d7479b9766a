"""What can be read from attention weights; numpy alone, no batch, no request.

Weights have the axes (..., query, key): a row is a query, and sums to 1.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Keys = NDArray[np.int32]

# float16 has exponents down to -14, float32 down to -126: their bits differ by this much.
REBIAS = (127 - 15) << 23
SHORTER = 23 - 10  # bits of the mantissa
LEAST_NORMAL = 2.0**-14
LEAST = 2.0**-24


def rollout(weights: Floats) -> Floats:
    """How much of each position of the input is in each position after each layer.

    Abnar and Zuidema 2020, section 3: attention halved and the residual stream the other half,
    multiplied from the first layer on.

    Args:
        weights: (layers, query, key), from the first layer on; of all attention heads the mean.

    Returns:
        (layers, query, key); key is a position of the input.
    """
    found = np.empty_like(weights)
    through = np.eye(weights.shape[-1], dtype=np.float32)
    for layer, mixed in enumerate(weights):
        through = found[layer] = 0.5 * (mixed @ through) + 0.5 * through
    return found


def received(weights: Floats) -> Floats:
    """(..., key): how much each position is looked at, the mean over queries."""
    mean: Floats = weights.mean(axis=-2)
    return mean


def entropy(weights: Floats) -> Floats:
    """(..., query): of each row, in nats; 0 looks at one position, log(keys) at all the same."""
    logs = np.log(weights, where=weights > 0, out=np.zeros_like(weights))
    found: Floats = np.maximum(-np.einsum("...k,...k->...", weights, logs), 0)
    return found


def merge_keys(weights: Floats, starts: list[int]) -> Floats:
    """Sum neighbouring keys: group i begins at starts[i]."""
    return _sum_groups(weights, starts, -1)


def merge_queries(weights: Floats, starts: list[int]) -> Floats:
    """The mean of neighbouring queries: group i begins at starts[i]."""
    sizes = np.diff(starts, append=weights.shape[-2]).astype(np.float32)
    return _sum_groups(weights, starts, -2) / sizes[:, None]


def _sum_groups(weights: Floats, starts: list[int], axis: int) -> Floats:
    """`np.add.reduceat`, but only where there is something to add: most words are one piece."""
    begins = np.array(starts)
    sizes = np.diff(begins, append=weights.shape[axis])
    split = sizes > 1
    sums: Floats = weights.take(begins, axis)
    if split.any():
        parts = weights.take(np.flatnonzero(np.repeat(split, sizes)), axis)
        inner = np.cumsum(sizes[split]) - sizes[split]
        added = np.add.reduceat(parts, inner, axis)
        np.moveaxis(sums, axis, 0)[split] = np.moveaxis(added, axis, 0)
    return sums


def renormalise(weights: Floats) -> Floats:
    """Divide rows by their sums; a row of nothing but 0 looks at all positions the same."""
    sums = weights.sum(axis=-1, keepdims=True)
    alike = np.full_like(weights, 1 / weights.shape[-1])
    found: Floats = np.divide(weights, sums, out=alike, where=sums > 0)
    return found


def largest(weights: Floats, k: int) -> tuple[Floats, Keys]:
    """Of each row the k largest weights, the largest first, and their keys: (..., query, k)."""
    k = min(k, weights.shape[-1])
    keys = np.argpartition(weights, -k, axis=-1)[..., -k:]
    keys.sort(axis=-1)  # so that of equal ones the first comes first
    found = np.take_along_axis(weights, keys, axis=-1)
    order = np.argsort(-found, axis=-1, kind="stable")
    keys = np.take_along_axis(keys, order, axis=-1)
    return np.take_along_axis(found, order, axis=-1), keys.astype(np.int32)


def to_half(numbers: Floats) -> NDArray[np.float16]:
    """As `numbers.astype(np.float16)`, several times as fast; 0 or more, far below 65504."""
    bits = numbers.view(np.uint32)
    normal = (bits >> SHORTER & 1) + bits  # half to even
    normal += np.uint32(((1 << SHORTER - 1) - 1 - REBIAS) % 2**32)
    normal >>= SHORTER
    small = np.rint(numbers * np.float32(1 / LEAST)).astype(np.uint32)
    half: NDArray[Any] = np.where(numbers < LEAST_NORMAL, small, normal).astype(np.uint16)
    return half.view(np.float16)
