"""Items of different length -> one padded batch."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def pad(items: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Pad with 0 to the longest item.

    Args:
        items: int64 (length,) each.

    Returns:
        padded: int64 (batch, length)
        valid: bool (batch, length), True = real position
    """
    lengths = np.array([len(item) for item in items])
    valid = np.arange(lengths.max()) < lengths[:, None]
    padded = np.zeros(valid.shape, np.int64)
    padded[valid] = np.concatenate(items)
    return padded, valid
