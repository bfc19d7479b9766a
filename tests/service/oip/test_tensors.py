"""A tensor on its way out."""

import numpy as np
import pytest

from service.errors import InvalidRequest
from service.oip.tensors import Tensor, write
from tests.service.oip.wire import unpack


def test_half_precision_is_for_bytes_alone() -> None:
    values = np.array([[0.5, -2, 0.25]], np.float16)
    told, content = write(Tensor("attention", values.shape, values), True)
    assert told == {
        "name": "attention",
        "datatype": "FP16",
        "shape": [1, 3],
        "parameters": {"binary_data_size": 6},
    }
    assert unpack("FP16", content) == [0.5, -2, 0.25]
    with pytest.raises(InvalidRequest, match=r"outputs\.attention: FP16 is not for JSON"):
        write(Tensor("attention", values.shape, values), False)


def test_nothing_is_a_tensor_too() -> None:
    for values, datatype in (([], "BYTES"), (np.zeros(0, np.int32), "INT32")):
        told, content = write(Tensor("empty", (0,), values), True)
        assert (told["datatype"], told["shape"], content) == (datatype, [0], b"")
        assert told["parameters"] == {"binary_data_size": 0}
