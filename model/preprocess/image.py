"""A grey image, cut into patches (Dosovitskiy et al. 2021, section 3.1; arXiv:2010.11929)."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from model.config import ImageConfig
from model.errors import InputError
from model.preprocess.batch import Place
from model.preprocess.vectors import EncodedVectors


class ImagePreprocessor:
    """Cuts images of one size, row by row; a patch begins every `stride` pixels.

    Args:
        config: the size of the image and of its patches.
    """

    def __init__(self, config: ImageConfig):
        self.shape = config.rows, config.columns
        self.patch, self.stride = config.patch, config.stride

    def encode(self, source: ArrayLike) -> EncodedVectors:
        """Greys 0 to 255 (rows, columns) -> `vectors` float32 (patches, patch * patch), 0 to 1.

        Raises:
            InputError: another shape, or not such greys.
        """
        windows = sliding_window_view(self._check(source), (self.patch, self.patch))
        patches = windows[:: self.stride, :: self.stride].reshape(-1, self.patch**2)
        return EncodedVectors({"vectors": patches.astype(np.float32) / 255})

    def place(self, start: int, end: int) -> Place:
        """The first patch's top left pixel."""
        row, column = divmod(start, (self.shape[1] - self.patch) // self.stride + 1)
        return {"row": row * self.stride, "column": column * self.stride}

    def _check(self, source: ArrayLike) -> NDArray[np.uint8]:
        rows, columns = self.shape
        try:
            image = np.asarray(source)
        except ValueError as error:
            raise InputError(f"an image is {rows} rows of {columns} greys each") from error
        if image.shape != self.shape:
            raise InputError(f"shape {image.shape}; ({rows}, {columns}) is wanted")
        if image.dtype.kind not in "iu" or image.min() < 0 or image.max() > 255:
            raise InputError("greys are whole numbers from 0 (black) to 255 (white)")
        return image.astype(np.uint8)
