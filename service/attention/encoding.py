"""Numbers of attention as JSON."""

from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

# Decimals in JSON: so many that rows of `export.bundle.MAX_POSITIONS` weights still sum to 1.
DECIMALS = 7


def to_json(numbers: NDArray[Any]) -> orjson.Fragment:
    """(layers, heads, ...) as nested JSON lists.

    Written one attention head at a time: orjson holds the interpreter lock while it writes, and
    other requests want their turn.
    """
    layers = (b",".join(map(_write, layer)) for layer in numbers)
    return orjson.Fragment(b"[[" + b"],[".join(layers) + b"]]")


def _write(head: NDArray[Any]) -> bytes:
    if head.dtype != np.int32:
        head = head.astype(np.float32, copy=False).round(DECIMALS)
    return orjson.dumps(head, option=orjson.OPT_SERIALIZE_NUMPY)
