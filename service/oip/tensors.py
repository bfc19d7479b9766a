"""Tensors of the Open Inference Protocol <-> arrays: as JSON, or as bytes beside it.

The bytes are those of its binary tensor data extension: little-endian, row-major; an element of
BYTES is its length as uint32 and then itself.
"""

import math
import struct
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from model.errors import InputError
from service.errors import Fault, InvalidRequest
from service.inputs import read_base64
from service.oip.schemas import InputTensor, OutputTensor

Values = list[str] | NDArray[Any]  # row-major; strings are always flat

DTYPES = {
    "BOOL": np.dtype("?"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
}
DATATYPES = {dtype: name for name, dtype in DTYPES.items()}
JSON_TYPES: dict[str, tuple[type, ...]] = {
    "BYTES": (str,),
    "BOOL": (bool,),
    "INT32": (int,),
    "INT64": (int,),
    "FP32": (float, int),
}
LENGTH_BYTES = 4  # before an element of BYTES,
LENGTH = struct.Struct("<I").pack  # so written
PIECE = 16_384  # numbers that are written as JSON at once: then others have their turn


class Tensor(NamedTuple):
    """A tensor to be answered; strings are BYTES."""

    name: str
    shape: tuple[int, ...]
    values: Values


def refuse(loc: list[str | int], message: str) -> InvalidRequest:
    """What to raise."""
    fault: Fault = {"loc": loc, "message": message}
    return InvalidRequest([fault])


def read(tensor: InputTensor, content: bytes | None) -> Values:
    """The values of a tensor of a request: strings, or an array of its shape.

    Args:
        tensor: its datatype is one of `JSON_TYPES`.
        content: its bytes, where they are not in its `data`.

    Raises:
        InvalidRequest: the values are not those of such a tensor.
    """
    values = _from_json(tensor) if content is None else _from_bytes(tensor, content)
    _check_count(tensor, len(values))
    return values if isinstance(values, list) else values.reshape(tensor.shape)


def read_files(tensor: InputTensor, content: bytes | None) -> list[bytes]:
    """The elements of BYTES as they are; in JSON they are in base64.

    Raises:
        InvalidRequest: it is no such tensor.
    """
    if content is not None:
        found = _split(tensor, content)
        _check_count(tensor, len(found))
        return found
    files = []
    for index, text in enumerate(read(tensor, None)):
        try:
            files.append(read_base64(text))
        except InputError as error:
            raise refuse([*_loc(tensor), index], str(error)) from None
    return files


def write(tensor: Tensor, binary: bool) -> tuple[OutputTensor, bytes]:
    """What is said of a tensor in the JSON of an answer, and its bytes, if binary.

    Raises:
        InvalidRequest: JSON has no such numbers.
    """
    name, shape, values = tensor
    datatype = "BYTES" if isinstance(values, list) else DATATYPES[values.dtype]
    written: OutputTensor = {"name": name, "datatype": datatype, "shape": list(shape)}
    if binary:
        content = _to_bytes(values)
        written["parameters"] = {"binary_data_size": len(content)}
        return written, content
    if datatype == "FP16":
        raise refuse(["outputs", name], "FP16 is not for JSON; ask for it with binary_data")
    data = values if isinstance(values, list) else _to_json(values.reshape(-1))
    written["data"] = data  # type: ignore[typeddict-item]  # orjson takes arrays, and JSON itself
    return written, b""


def _check_count(tensor: InputTensor, found: int) -> None:
    count = math.prod(tensor.shape)
    if found != count:
        raise refuse(_loc(tensor), f"{found} elements; shape {tensor.shape} has {count}")


def _loc(tensor: InputTensor) -> list[str | int]:
    return ["inputs", tensor.name]


def _from_json(tensor: InputTensor) -> Values:
    flat: list[Any] = tensor.data or []
    for size in tensor.shape[1:]:
        if not flat or type(flat[0]) is not list:
            break
        if any(type(row) is not list or len(row) != size for row in flat):
            raise refuse([*_loc(tensor), "data"], f"is not nested as shape {tensor.shape} says")
        flat = list(chain.from_iterable(flat))
    wanted = JSON_TYPES[tensor.datatype]
    for kind in {type(value) for value in flat} - {*wanted}:
        found = f"{kind.__name__} among the data of {tensor.datatype}"
        told = " or ".join(allowed.__name__ for allowed in wanted)
        raise refuse([*_loc(tensor), "data"], f"{found}; only {told} is allowed")
    if tensor.datatype == "BYTES":
        return flat
    try:
        with np.errstate(over="ignore"):  # what is infinite then is refused with its place
            return np.array(flat, DTYPES[tensor.datatype])
    except OverflowError:
        raise refuse([*_loc(tensor), "data"], f"more than {tensor.datatype} can hold") from None


def _from_bytes(tensor: InputTensor, content: bytes) -> Values:
    if tensor.datatype == "BYTES":
        return _decode(tensor, _split(tensor, content))
    dtype = DTYPES[tensor.datatype]
    if len(content) % dtype.itemsize:
        found = f"{len(content)} bytes are no whole number of {tensor.datatype}"
        raise refuse(_loc(tensor), found)
    if dtype == np.bool_:
        return np.frombuffer(content, np.uint8).astype(np.bool_)
    return np.frombuffer(content, dtype)


def _split(tensor: InputTensor, content: bytes) -> list[bytes]:
    elements: list[bytes] = []
    place = 0
    while place < len(content):
        start = place + LENGTH_BYTES
        place = start + int.from_bytes(content[place:start], "little")
        if not start <= place <= len(content):
            found = f"element {len(elements)} ends after the tensor's {len(content)} bytes"
            raise refuse(_loc(tensor), found)
        elements.append(content[start:place])
    return elements


def _decode(tensor: InputTensor, elements: list[bytes]) -> list[str]:
    texts: list[str] = []
    for index, element in enumerate(elements):
        try:
            texts.append(element.decode())
        except UnicodeDecodeError as error:
            loc = [*_loc(tensor), index]
            raise refuse(loc, f"is not UTF-8 at byte {error.start}: {error.reason}") from None
    return texts


def _to_bytes(values: Values) -> bytes:
    if not isinstance(values, list):
        return values.tobytes()
    encoded = [value.encode() for value in values]
    return b"".join([LENGTH(len(element)) + element for element in encoded])


def _to_json(flat: NDArray[Any]) -> NDArray[Any] | orjson.Fragment:
    if len(flat) <= PIECE:
        return flat
    pieces = (
        orjson.dumps(flat[start : start + PIECE], option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
        for start in range(0, len(flat), PIECE)
    )
    return orjson.Fragment(b"[" + b",".join(pieces) + b"]")
