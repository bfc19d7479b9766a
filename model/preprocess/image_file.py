"""The bytes of an image file -> greys."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from model.errors import InputError

FORMATS = ("PNG", "JPEG")
MAX_PIXELS, MAX_SIDE = 2**22, 2**14  # a file of a few bytes may claim any number
SCAN, MAX_SCANS = b"\xff\xda", 50  # of a progressive JPEG: each of a few bytes is over all pixels
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit; ours is asked for before anything is decoded


def read_image(data: bytes, rows: int, columns: int) -> NDArray[np.uint8]:
    """Decode, turn as the camera was held, make grey, and fit into uint8 (rows, columns).

    What is transparent is black, and so is what another shape of image leaves free.

    Raises:
        InputError: not a PNG or JPEG file, damaged, or beyond MAX_PIXELS, MAX_SIDE or MAX_SCANS.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check(image, data)
            grey = _grey(ImageOps.exif_transpose(image))
            return np.asarray(ImageOps.pad(grey, (columns, rows)))
    except InputError:
        raise
    except Exception as error:  # a decoder raises whatever the damage led it to
        raise InputError(f"not a {' or '.join(FORMATS)} image, or a damaged one") from error


def _check(image: Image.Image, data: bytes) -> None:
    """Refuse what takes long, or much memory; nothing is decoded yet."""
    width, height = image.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        allowed = f"at most {MAX_PIXELS:,} in all, and {MAX_SIDE:,} to a side, are allowed"
        raise InputError(f"{width} x {height} pixels; {allowed}")
    if image.format != "PNG" and (scans := data.count(SCAN)) > MAX_SCANS:
        raise InputError(f"a JPEG of {scans} scans; at most {MAX_SCANS} are allowed")


def _grey(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow would cut off at 255
        return Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
    if not image.has_transparency_data:
        return image.convert("L")
    return image.convert("RGBA").convert("LA").convert("La").getchannel(0)  # La: L times alpha
