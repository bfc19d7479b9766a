"""Numbers of attention as bytes: JSON, or a safetensors file."""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from service.answers import Answer

# Decimals in JSON: so many that rows of `export.bundle.MAX_FULL_POSITIONS` weights still sum to 1.
DECIMALS = 7
DTYPES = {"float32": "F32", "float16": "F16", "int32": "I32"}
HOLE = b"\0"  # a byte that is in no JSON
ALIGNED = 8  # bytes
PART = 2**20


def to_json(numbers: NDArray[Any]) -> orjson.Fragment:
    """(layers, heads, ...) as nested JSON lists."""
    return orjson.Fragment(b"".join(_write(numbers)))


def write_json(answer: Answer, tensors: Mapping[str, NDArray[Any]]) -> list[bytes]:
    """The parts of an answer whose numbers are apart, named `{index of the input}.{name}`.

    They are never put together: to copy tens of megabytes would hold up other requests.
    """
    for place in tensors:
        index, _, name = place.partition(".")
        attention = answer["results"][int(index)]["attention"]
        attention[name] = orjson.Fragment(HOLE)  # type: ignore[literal-required]
    first, *others = orjson.dumps(answer).split(HOLE)
    parts = [first]
    for numbers, after in zip(tensors.values(), others, strict=True):
        parts += [*_write(numbers), after]
    return parts


def _write(numbers: NDArray[Any]) -> Iterator[bytes]:
    """One attention head at a time: orjson holds the interpreter lock while it writes."""
    opening = b"[["
    for layer in numbers:
        for head in layer:
            whole = head.dtype == np.int32
            shown = head if whole else head.astype(np.float32, copy=False).round(DECIMALS)
            yield opening + orjson.dumps(shown, option=orjson.OPT_SERIALIZE_NUMPY)
            opening = b","
        opening = b"],["
    yield b"]]"


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


async def send_parts(parts: Sequence[bytes | memoryview]) -> AsyncGenerator[memoryview, None]:
    """Pieces of at most PART bytes, without a copy."""
    for part in parts:
        view = memoryview(part)
        for start in range(0, len(view), PART):
            yield view[start : start + PART]
