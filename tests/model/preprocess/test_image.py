import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.config import ImageConfig
from model.errors import InputError
from model.preprocess.image import ImagePreprocessor

CONFIG = ImageConfig(modality="image", rows=7, columns=9, patch=3, stride=2)
PREPROCESSOR = ImagePreprocessor(CONFIG)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (7, 9), np.uint8)


def test_patches_go_row_by_row_and_overlap_by_what_the_stride_leaves(image):
    encoded = PREPROCESSOR.encode(image)
    expected = [
        [image[row + i, column + j] / 255 for i in range(3) for j in range(3)]
        for row in (0, 2, 4)
        for column in (0, 2, 4, 6)
    ]
    assert encoded.length == len(expected) == 12
    assert encoded.arrays["vectors"].dtype == np.float32
    np.testing.assert_allclose(encoded.arrays["vectors"], expected, rtol=1e-6)
    assert encoded.arrays["vectors"].shape[1] == CONFIG.width
    assert PREPROCESSOR.place(6, 7) == {"row": 2, "column": 4}


def test_lists_of_numbers_are_an_image_too(image):
    expected = PREPROCESSOR.encode(image).arrays["vectors"]
    assert np.array_equal(PREPROCESSOR.encode(image.tolist()).arrays["vectors"], expected)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((9, 7), np.uint8), r"shape \(9, 7\); \(7, 9\) is wanted"),
        (np.zeros((7, 9, 3), np.uint8), r"\(7, 9\) is wanted"),
        ([[0] * 9] * 6 + [[0] * 8], "an image is 7 rows of 9 greys each"),
        ([[0.5] * 9] * 7, "whole numbers from 0"),
        ([[256] + [0] * 8] * 7, "whole numbers from 0"),
        ([[-1] + [0] * 8] * 7, "whole numbers from 0"),
        ([["a"] * 9] * 7, "whole numbers from 0"),
        ([[2**70] * 9] * 7, "whole numbers from 0"),
        ([[True] * 9] * 7, "whole numbers from 0"),
    ],
)
def test_what_is_no_such_image_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        PREPROCESSOR.encode(wrong)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_whatever_json_holds_is_refused_if_it_is_no_image(value):
    with pytest.raises(InputError):
        PREPROCESSOR.encode(value)
