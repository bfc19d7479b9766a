import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model.errors import InputError
from model.preprocess.image_file import read_image

GREYS = np.random.default_rng(7).integers(0, 256, (28, 28), np.uint8)


def save(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def claim(width: int, height: int) -> bytes:
    """A PNG file that says it has that size, and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in chunks)


def test_greys_of_the_right_size_come_back_as_they_were():
    found = read_image(save(Image.fromarray(GREYS)), 28, 28)
    assert found.dtype == np.uint8
    assert np.array_equal(found, GREYS)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_another_size_is_fitted(kind):
    half = np.zeros((200, 200), np.uint8)
    half[:, 100:] = 200
    found = read_image(save(Image.fromarray(half), kind), 28, 28)
    assert found.shape == (28, 28)
    assert abs(found[:, :12].astype(int)).max() < 8
    assert abs(found[:, 16:].astype(int) - 200).max() < 8


def test_another_shape_is_kept_with_black_at_the_sides():
    found = read_image(save(Image.fromarray(np.full((40, 20), 255, np.uint8))), 28, 28)
    assert (found[:, 8:20] == 255).all()
    assert (found[:, :6] == 0).all()
    assert (found[:, 22:] == 0).all()


def test_colour_becomes_grey_as_it_is_seen():
    """By ITU-R 601-2: green is the brightest, blue the darkest."""
    colours = np.zeros((28, 28, 3), np.uint8)
    for i in range(3):
        colours[:, 9 * i : 9 * i + 9, i] = 255
    found = read_image(save(Image.fromarray(colours)), 28, 28)
    assert found[0, [4, 13, 22]].tolist() == [76, 150, 29]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_black(mode):
    image = Image.new(mode, (28, 28), "white")
    alpha = np.zeros((28, 28), np.uint8)
    alpha[:, 10:20] = 255
    image.putalpha(Image.fromarray(alpha))
    assert np.array_equal(read_image(save(image), 28, 28), alpha)


def test_a_transparent_colour_of_a_palette_is_black():
    image = Image.fromarray(
        np.tile(np.where(np.arange(28) < 9, 255, 100).astype(np.uint8), (28, 1))
    )
    image = image.convert("P")
    found = read_image(save(image, transparency=255), 28, 28)
    assert (found[:, :9] == 0).all()
    assert (found[:, 9:] == 100).all()


def test_sixteen_bits_are_brought_to_eight():
    deep = GREYS.astype(np.uint16) * 256 + 17
    assert np.array_equal(read_image(save(Image.fromarray(deep)), 28, 28), GREYS)


def test_a_photograph_is_turned_as_the_camera_was_held():
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the left of how it was seen
    data = save(Image.fromarray(GREYS), exif=exif)
    assert np.array_equal(read_image(data, 28, 28), np.rot90(GREYS, -1))


@pytest.mark.parametrize(
    ("width", "height"), [(2049, 2048), (2**31 - 1, 2**31 - 1), (1, 2**14 + 1)]
)
def test_a_file_that_claims_too_many_pixels_is_not_decoded(width, height):
    with pytest.raises(InputError, match=f"{width} x {height} pixels; at most 4,194,304"):
        read_image(claim(width, height), 28, 28)


def test_a_jpeg_whose_scans_have_no_end_is_not_decoded():
    """One of 16 bytes takes as long as all pixels do."""
    whole = save(Image.new("L", (64, 64)), "JPEG", progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    assert read_image(whole[:-2] + 40 * last + whole[-2:], 28, 28).shape == (28, 28)
    with pytest.raises(InputError, match="a JPEG of 1006 scans; at most 50 are allowed"):
        read_image(whole[:-2] + 1000 * last + whole[-2:], 28, 28)


GIF = save(Image.fromarray(GREYS), "GIF")


@pytest.mark.parametrize("data", [b"", b"hello", GIF, claim(100, 100)], ids=str)
def test_what_is_no_image_is_refused(data):
    with pytest.raises(InputError, match="not a PNG or JPEG image, or a damaged one"):
        read_image(data, 28, 28)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@given(data=st.data())
def test_damage_is_refused_or_read(kind, data):
    whole = bytearray(save(Image.fromarray(GREYS), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    for damaged in (bytes(whole), cut):
        try:
            found = read_image(damaged, 28, 28)
        except InputError:
            continue
        assert found.shape == (28, 28)
