"""The bytes of an image file -> greys."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from model.errors import InputError

FORMATS = ("PNG", "JPEG")
MAX_PIXELS = 2**24  # a file of a few bytes may claim any number
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit; ours is asked for before anything is decoded


def read_image(data: bytes, rows: int, columns: int) -> NDArray[np.uint8]:
    """Decode, turn as the camera was held, make grey, and fit into uint8 (rows, columns).

    What is transparent is black, and so is what another shape of image leaves free.

    Raises:
        InputError: not a PNG or JPEG file, damaged, or of more than MAX_PIXELS.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height <= MAX_PIXELS:
                grey = _grey(ImageOps.exif_transpose(image))
                return np.asarray(ImageOps.pad(grey, (columns, rows)))
    except Exception as error:  # a decoder raises whatever the damage led it to
        raise InputError(f"not a {' or '.join(FORMATS)} image, or a damaged one") from error
    raise InputError(f"{width} x {height} pixels; at most {MAX_PIXELS:,} in all are allowed")


def _grey(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow would cut off at 255
        return Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
    if not image.has_transparency_data:
        return image.convert("L")
    black = Image.new("RGBA", image.size, "black")
    return Image.alpha_composite(black, image.convert("RGBA")).convert("L")
