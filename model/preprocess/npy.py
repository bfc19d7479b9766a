"""The bytes of a .npy file -> an array (NumPy Enhancement Proposal 1)."""

import io
from math import prod
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from model.errors import InputError

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
MAX_HEADER_BYTES = 1024  # NumPy's own have 128 for such arrays
KINDS = "fiu"  # numbers; whoever reads objects runs what the file says
MAX_ITEM_BYTES = 8


def read_npy(data: bytes) -> NDArray[Any]:
    """The array (length, features) of whatever type, order and byte order; it is not copied.

    Raises:
        InputError: not a .npy file of numbers, or one of another size than its header says.
    """
    file = io.BytesIO(data)
    try:
        header = HEADERS[npy.read_magic(file)]
        shape, by_columns, dtype = header(file, max_header_size=MAX_HEADER_BYTES)
    except Exception as error:  # it raises whatever the damage led it to
        raise InputError("not a .npy file, or a damaged one") from error
    if dtype.kind not in KINDS or dtype.itemsize > MAX_ITEM_BYTES:
        raise InputError(f"the array's type is {dtype.name}; allowed are integers and floats")
    if len(shape) != 2 or min(shape) < 1:
        raise InputError(f"shape {shape}; (length, features) is wanted")
    expected, found = prod(shape) * dtype.itemsize, len(data) - file.tell()
    if found != expected:
        raise InputError(f"{found} bytes after the header; shape {shape} has {expected}")
    array = np.frombuffer(data, dtype, offset=file.tell())
    return array.reshape(shape, order="F" if by_columns else "C")
