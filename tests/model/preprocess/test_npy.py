import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from model.errors import InputError
from model.preprocess.npy import MAX_HEADER_BYTES, read_npy

NUMBERS = st.sampled_from(["f2", "f4", "f8", *(kind + size for kind in "iu" for size in "1248")])
ORDERED = st.tuples(st.sampled_from("<>"), NUMBERS).map("".join)
SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, max_side=9)


def saved(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


def written(header: str, content: bytes = b"") -> bytes:
    """A file with a header of one's own."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + content


def described(shape: str, descr: str = "'<f4'", by_columns: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {by_columns}, 'shape': {shape}, }}\n"


@given(
    arrays.arrays(ORDERED, SHAPES),
    st.booleans(),
    st.sampled_from([(1, 0), (2, 0), None]),
)
def test_what_numpy_saved_is_what_is_read(array, by_columns, version):
    kept = np.asfortranarray(array) if by_columns else array
    np.testing.assert_array_equal(read_npy(saved(kept, version)), array)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_array_or_refused(data):
    for content in (data, b"\x93NUMPY" + data, b"\x93NUMPY\x01\x00" + data):
        with pytest.raises(InputError):
            read_npy(content)


@given(arrays.arrays(ORDERED, SHAPES), st.data())
def test_a_file_that_is_cut_or_longer_is_refused(array, data):
    whole = saved(array)
    for content in (whole[: data.draw(st.integers(0, len(whole) - 1))], whole + b"\0"):
        with pytest.raises(InputError):
            read_npy(content)


@given(arrays.arrays(ORDERED, SHAPES), st.data())
def test_a_damaged_file_is_an_array_or_refused(array, data):
    damaged = bytearray(saved(array))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read_npy(bytes(damaged))
    except InputError:
        return
    assert found.ndim == 2
    assert found.nbytes <= len(damaged)


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros(5), "shape (5,); (length, features) is wanted"),
        (np.zeros((2, 3, 4)), "shape (2, 3, 4); "),
        (np.zeros((0, 5)), "shape (0, 5); "),
        (np.array([[{}]], object), "the array's type is object; allowed are integers and floats"),
        (np.zeros((2, 2), bool), "type is bool"),
        (np.zeros((2, 2), complex), "type is complex128"),
        (np.zeros((2, 2), "U3"), "type is str96"),
        (np.zeros((2, 2), "f4,f4"), "type is void64"),
        (np.zeros((2, 2), np.longdouble), "type is float128"),
    ],
)
def test_other_arrays_are_told_apart(array, told):
    with pytest.raises(InputError) as refused:
        read_npy(saved(array))
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (described("(1000000000, 1000000000)"), "4 bytes after the header; shape (1000000000"),
        (described(f"({2**70}, 0)"), "(length, features) is wanted"),
        (described("(-1, -1)"), "shape (-1, -1); "),
        (described("(1, 2)"), "4 bytes after the header; shape (1, 2) has 8"),
        (described("(1, 1)", "'<f4'" + " " * MAX_HEADER_BYTES), "not a .npy file"),
        (described("(" * 900 + ")" * 900), "not a .npy file"),
        (described("(1, 1)", "'O'"), "type is object"),
        (described("__import__('os').getcwd()"), "not a .npy file"),
        ("", "not a .npy file"),
    ],
)
def test_a_header_is_believed_no_further_than_the_bytes_go(header, told):
    with pytest.raises(InputError) as refused:
        read_npy(written(header, b"\0\0\0\0"))
    assert told in str(refused.value)
