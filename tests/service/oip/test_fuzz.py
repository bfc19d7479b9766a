"""Bodies by the thousand: each is answered, or refused with a 4xx and a reason; none hangs."""

import asyncio
import json
import math
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from tests.service.oip.wire import pack

PATH = "/v2/models/tiny/infer"
LENGTH = "inference-header-content-length"
INPUTS = ("text", "words", "word_counts", "token_ids", "valid")
OUTPUTS = ("slots.labels", "offsets", "slots", "intent", "intent.probabilities", "attention")
DATATYPES = ("BYTES", "INT64", "INT32", "BOOL", "FP32", "FP16", "BF16", "STRING", "")
FAULTS = ("none", "names", "data", "bytes", "tensor", "outputs", "parameters", "length")
MANY = profile(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))

sizes = st.integers(-1, 6) | st.sampled_from([2**31, 2**63, 10**25])
scalars = st.none() | st.booleans() | st.integers(-3, 70) | st.floats() | st.text(max_size=8)
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4), max_leaves=8)
words = st.sampled_from(["noon", "in new york", "é \U0001f600"]) | st.text(max_size=9)
values = {
    "text": words,
    "words": words,
    "word_counts": st.integers(-1, 4),
    "token_ids": st.integers(0, 60) | st.integers(-1, 99),
    "valid": st.booleans(),
}
kinds = dict(zip(INPUTS, ("BYTES", "BYTES", "INT64", "INT64", "BOOL"), strict=True))


def answered_or_refused(client, content: bytes, headers: dict[str, str], path: str = PATH) -> None:
    async def post() -> Any:
        return await asyncio.wait_for(client.http.post(path, content=content, headers=headers), 20)

    response = client.run(post())
    assert response.status_code == 200 or 400 <= response.status_code < 500, response.text
    if response.status_code != 200:
        assert response.headers["content-type"] == "application/json"
        assert isinstance(response.json()["error"], str)


@st.composite
def tensors(draw: st.DrawFn, name: str, shape: list[int], fault: str) -> tuple[dict, bytes]:
    """Right, or with that fault."""
    count = math.prod(shape)
    data = draw(st.lists(values[name], min_size=count, max_size=count))
    if fault != "data":
        data = {"valid": [True] * count, "word_counts": [1] * count}.get(name, data)
    told: dict[str, Any] = {"name": name, "shape": shape, "datatype": kinds[name]}
    content = b""
    if draw(st.booleans()):
        wide = kinds[name] == "BYTES" or all(value >= 0 for value in data)
        content = pack(kinds[name], data) if wide else b"\xff" * 8 * count
        if fault == "bytes":
            place = draw(st.integers(0, len(content)))
            content = content[:place] + draw(st.binary(max_size=5)) + content[place + 3 :]
        told["parameters"] = {"binary_data_size": len(content)}
    else:
        told["data"] = data
    if fault == "tensor":
        wrong = {
            "shape": st.lists(sizes, max_size=4),
            "datatype": st.sampled_from(DATATYPES),
            "data": anything,
            "parameters": st.dictionaries(st.just("binary_data_size"), sizes | anything),
            "name": st.sampled_from(INPUTS) | st.text(max_size=5),
        }
        part = draw(st.sampled_from([*wrong]))
        told[part] = draw(wrong[part])
    return told, content


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, dict[str, str]]:
    ways = st.sampled_from([["text"], ["words", "word_counts"], ["token_ids", "valid"]])
    fault = draw(st.sampled_from(FAULTS))
    names = draw(st.lists(st.sampled_from(INPUTS), max_size=3) if fault == "names" else ways)
    shape = draw(st.lists(st.integers(1, 4), min_size=2, max_size=2))
    shapes = {name: shape if name in ("token_ids", "valid") else shape[:1] for name in INPUTS}
    drawn = [draw(tensors(name, shapes[name], fault)) for name in names]
    head: dict[str, Any] = {"inputs": [told for told, _ in drawn]}
    if fault == "outputs":
        parameters = st.dictionaries(
            st.sampled_from(["binary_data", "classification", "layers", "heads", "x"]), scalars
        )
        output = st.fixed_dictionaries(
            {"name": st.sampled_from(OUTPUTS)}, optional={"parameters": parameters}
        )
        head["outputs"] = draw(st.lists(output, max_size=3))
    if fault == "parameters":
        names = ["binary_data_output", "attention.layers", "x"]
        head["parameters"] = draw(st.dictionaries(st.sampled_from(names), scalars))
    told = json.dumps(head).encode()
    length = str(len(told))
    if fault == "length":
        length = draw(
            st.integers(-2, len(told) + 9).map(str) | st.text("0123456789+-. e", max_size=6)
        )
    return told + b"".join(content for _, content in drawn), {LENGTH: length}


@MANY
@given(request=requests())
def test_requests_that_are_nearly_right(client, request: tuple[bytes, dict[str, str]]) -> None:
    answered_or_refused(client, *request)


@MANY
@given(content=st.binary(max_size=200), length=st.none() | st.integers(0, 200))
def test_bytes_that_mean_nothing(client, content: bytes, length: int | None) -> None:
    answered_or_refused(client, content, {} if length is None else {LENGTH: str(length)})


@MANY
@given(
    content=st.binary(max_size=60),
    count=st.integers(0, 5),
    name=st.sampled_from(["text", "words"]),
)
def test_elements_of_any_size(client, content: bytes, count: int, name: str) -> None:
    parameters = {"binary_data_size": len(content)}
    inputs = [{"name": name, "shape": [count], "datatype": "BYTES", "parameters": parameters}]
    if name == "words":
        inputs.append({"name": "word_counts", "shape": [1], "datatype": "INT32", "data": [count]})
    told = json.dumps({"inputs": inputs}).encode()
    answered_or_refused(client, told + content, {LENGTH: str(len(told))})


@MANY
@given(content=st.binary(max_size=200), encoding=st.sampled_from(["gzip", "deflate", "br", "x"]))
def test_bodies_compressed_in_any_way(client, content: bytes, encoding: str) -> None:
    answered_or_refused(client, content, {"content-encoding": encoding})
