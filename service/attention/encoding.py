"""Numbers of attention as bytes: JSON, or a safetensors file."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

# Decimals in JSON: so many that rows of `export.bundle.MAX_POSITIONS` weights still sum to 1.
DECIMALS = 7
DTYPES = {"float32": "F32", "float16": "F16", "int32": "I32"}
ALIGNED = 8  # bytes
PART = 2**20


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


def to_safetensors(
    tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]
) -> list[memoryview]:
    """The parts of a file; those of the tensors are the arrays themselves.

    The form is that of huggingface/safetensors: the length of the header (uint64), the header as
    JSON, the numbers, all little endian. The largest items come first, so that each is aligned.
    """
    header: dict[str, object] = {"__metadata__": metadata}
    end = 0
    ordered = sorted(tensors.items(), key=lambda named: -named[1].itemsize)
    for name, array in ordered:
        start, end = end, end + array.nbytes
        header[name] = {
            "dtype": DTYPES[array.dtype.name],
            "shape": array.shape,
            "data_offsets": (start, end),
        }
    text = orjson.dumps(header)
    text += b" " * (-len(text) % ALIGNED)
    head = memoryview(len(text).to_bytes(8, "little") + text)
    return [head, *(array.reshape(-1).view(np.uint8).data for _, array in ordered)]


async def send_parts(parts: list[memoryview]) -> AsyncIterator[memoryview]:
    """Pieces of at most PART bytes, without a copy."""
    for part in parts:
        for start in range(0, len(part), PART):
            yield part[start : start + PART]
