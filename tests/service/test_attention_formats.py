"""Attention as a safetensors file, or as large JSON, and when it is which."""

import asyncio
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, from_dtype
from safetensors import safe_open
from safetensors.numpy import load

from service.accept import prefers
from service.attention.encoding import PART, send_parts, to_safetensors
from service.offload import LOOP_FLOATS
from tests.service.conftest import HEADS, LAYERS, MAX_LENGTH, TEXTS, same

FILE = "application/vnd.safetensors"
ARRAYS = st.sampled_from([np.float16, np.float32, np.int32]).flatmap(
    lambda dtype: arrays(dtype, array_shapes(), elements=from_dtype(np.dtype(dtype)))
)
CHOICES: list[dict[str, Any]] = [
    {},
    {"layers": "all", "heads": "mean"},
    {"kind": "rollout", "layers": "all", "level": "word"},
    {"kind": "received", "dtype": "float16"},
    {"kind": "entropy", "special": "drop"},
    {"top_k": 3, "dtype": "float16"},
]


def ask_file(client, path: str, request: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """The rest of the answer, and the tensors, as the safetensors package reads them."""
    response = client.post(path, request, accept=FILE)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == FILE
    assert int(response.headers["content-length"]) == len(response.content)
    size = int.from_bytes(response.content[:8], "little")
    assert size % 8 == 0
    header = json.loads(response.content[8 : 8 + size])
    return json.loads(header["__metadata__"]["answer"]), load(response.content)


@pytest.mark.parametrize("options", CHOICES)
def test_a_file_holds_what_json_does(client, options: dict[str, Any]) -> None:
    request = {"inputs": TEXTS, "attention": options}
    expected = client.ask("/v1/predict", request)
    answer, tensors = ask_file(client, "/v1/predict", request)
    for index, result in enumerate(expected["results"]):
        for name in ("weights", "keys", "received", "entropy"):
            if name in result["attention"]:
                numbers = result["attention"].pop(name)
                tensor = tensors.pop(f"{index}.{name}")
                half = options.get("dtype") == "float16" and name != "keys"
                assert tensor.dtype == ("float16" if half else "int32" if name == "keys" else "f4")
                assert tensor.shape == np.array(numbers).shape
                assert tensor.astype(float) == pytest.approx(np.array(numbers), abs=1e-6)
    assert tensors == {}
    assert same(answer, expected)


def test_a_zero_byte_in_a_text_stays_in_its_place(client) -> None:
    request = {"inputs": ["noon\0rain", "it\\u0000"]}
    plain = client.ask("/v1/label", request)["results"]
    asked = client.ask("/v1/label", request | {"attention": {"top_k": 1}})["results"]
    assert all(result.pop("attention")["weights"] for result in asked)
    assert same(asked, plain)


def test_an_answer_without_attention_is_a_file_without_tensors(client) -> None:
    answer, tensors = ask_file(client, "/v1/predict", {"inputs": "noon"})
    assert tensors == {}
    assert same(answer, client.ask("/v1/predict", {"inputs": "noon"}))


def test_a_problem_is_a_problem_whatever_is_accepted(client) -> None:
    response = client.post("/v1/attention", {"inputs": ""}, accept=FILE)
    assert response.headers["content-type"] == "application/problem+json"


@given(st.dictionaries(st.text(min_size=1), ARRAYS, min_size=1), st.text())
def test_the_safetensors_package_reads_every_file(
    tmp_path_factory, tensors: dict[str, np.ndarray], told: str
) -> None:
    tensors.pop("__metadata__", None)
    file = b"".join(to_safetensors(tensors, {"answer": told}))
    found = load(file) if tensors else {}
    assert set(found) == set(tensors)
    for name, array in tensors.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()
    path = tmp_path_factory.getbasetemp() / "file.safetensors"
    path.write_bytes(file)
    with safe_open(path, "numpy") as opened:
        assert opened.metadata() == {"answer": told}


def test_large_files_are_sent_in_pieces_that_share_the_arrays_memory() -> None:
    array = np.arange(PART, dtype=np.float32)
    parts = to_safetensors({"x": array}, {})

    async def collect() -> list[memoryview]:
        return [piece async for piece in send_parts(parts)]

    pieces = asyncio.run(collect())
    assert max(map(len, pieces)) == PART
    assert b"".join(pieces) == b"".join(parts)
    assert np.shares_memory(np.frombuffer(pieces[-1], np.uint8), array)


def test_a_large_answer_in_json_is_that_of_the_file(client) -> None:
    request = {"inputs": "noon " * (MAX_LENGTH - 2), "attention": {"layers": "all"}}
    assert LAYERS * HEADS * MAX_LENGTH**2 > LOOP_FLOATS, "sent in parts"
    response = client.post("/v1/attention", request)
    assert int(response.headers["content-length"]) == len(response.content)
    _, tensors = ask_file(client, "/v1/attention", request)
    found = response.json()["results"][0]["attention"]["weights"]
    assert np.array(found) == pytest.approx(tensors["0.weights"], abs=1e-6)


@pytest.mark.parametrize(
    ("accept", "preferred"),
    [
        ("", False),
        ("*/*", False),
        ("application/*", False),
        ("application/json", False),
        (FILE, True),
        ("Application/VND.safetensors", True),
        (f"{FILE}, */*;q=0.1", True),
        (f"application/json, {FILE}", True),
        (f"application/json, {FILE};q=0.9", False),
        (f"application/json;q=0.5, {FILE} ; q=0.9", True),
        (f"{FILE};q=0.3, application/*;q=0.5", False),
        (f"{FILE};q=0.3, application/json;q=0.1, */*", True),
        (f"{FILE};q=0", False),
        (f"{FILE};q=x", False),
        (f"{FILE};q=nan", False),
        (f"{FILE};version=1", True),
        (",;,q=", False),
        ("text/html", False),
    ],
)
def test_a_file_is_answered_where_it_is_named_and_nothing_wanted_more(
    accept: str, preferred: bool
) -> None:
    assert prefers(accept, FILE, "application/json") is preferred


@given(st.text())
def test_any_accept_can_be_read(accept: str) -> None:
    assert prefers(accept, FILE, "application/json") in (True, False)
