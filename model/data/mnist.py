"""MNIST in its four IDX files (LeCun et al. 1998): digits, 28 x 28 greys, white on black."""

import gzip
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.data.examples import Example, Splits
from model.errors import DataError

DEV = 5_000  # the last of the training images: there is no dev split of its own


def read(folder: Path) -> Splits:
    """The three splits; source uint8 (28, 28), target `digit`.

    Raises:
        DataError: a file is not IDX of bytes, or images and labels differ in number.
    """
    train, test = (_read_split(folder, name) for name in ("train", "t10k"))
    return Splits(train[:-DEV], train[-DEV:], test)


def _read_split(folder: Path, name: str) -> list[Example]:
    images = _read_idx(folder / f"{name}-images-idx3-ubyte.gz")
    labels = _read_idx(folder / f"{name}-labels-idx1-ubyte.gz")
    if len(images) != len(labels):
        raise DataError(f"{folder}, {name}: {len(images)} images but {len(labels)} labels")
    return [
        Example(image, {"digit": str(label)}) for image, label in zip(images, labels, strict=True)
    ]


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """The magic number (0, 0, 8 = bytes, axes), the size of each axis, the bytes."""
    try:
        content = gzip.decompress(path.read_bytes())
        zero, kind, axes = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{axes}I", content, 4)
        if (zero, kind) != (0, 8):
            raise ValueError(f"its magic number is {content[:4].hex()}")
        return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
    except (OSError, EOFError, struct.error, ValueError) as error:
        raise DataError(f"{path} is not an IDX file of bytes: {error}") from error
