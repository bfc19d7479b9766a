import gzip
import struct

import numpy as np
import pytest

from model.data import mnist
from model.errors import DataError


def idx(array: np.ndarray) -> bytes:
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(7)
    for name, number in (("train", 5_003), ("t10k", 4)):
        images, labels = rng.integers(0, 256, (number, 2, 3)), np.arange(number) % 10
        (tmp_path / f"{name}-images-idx3-ubyte.gz").write_bytes(idx(images.astype(np.uint8)))
        (tmp_path / f"{name}-labels-idx1-ubyte.gz").write_bytes(idx(labels.astype(np.uint8)))
    return tmp_path


def test_the_last_training_images_are_dev(folder):
    splits = mnist.read(folder)
    assert [len(split) for split in splits] == [3, 5_000, 4]
    found = [example.targets["digit"] for split in splits[:2] for example in split]
    assert found == [str(number % 10) for number in range(5_003)]
    images = np.stack([example.source for split in splits[:2] for example in split])
    expected = np.random.default_rng(7).integers(0, 256, (5_003, 2, 3))
    assert images.dtype == np.uint8
    assert np.array_equal(images, expected)


def test_images_and_labels_must_be_as_many(folder):
    path = folder / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(idx(np.zeros(5, np.uint8)))
    with pytest.raises(DataError, match="t10k: 4 images but 5 labels"):
        mnist.read(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not gzip",
        gzip.compress(b""),
        gzip.compress(b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0"),
        idx(np.zeros(4, np.uint8))[:-9],
        gzip.compress(b"\0\0\x08\x01\0\0\0\x05abc"),
    ],
)
def test_what_is_not_idx_is_refused(folder, content):
    path = folder / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is not an IDX file of bytes"):
        mnist.read(folder)
