"""Attention as a safetensors file, what a selection refuses, and what fits under the cap."""

import asyncio
import json
import re
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
from service.predictor import LOOP_FLOATS
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


def refusal(client, inputs: Any, **options: Any) -> str:
    response = client.post("/v1/attention", {"inputs": inputs, "attention": options})
    assert response.status_code == 422, response.text
    problem = response.json()
    assert problem["type"] == "urn:regard:invalid-request"
    return problem["detail"]


def test_what_excludes_each_other_is_told(client) -> None:
    said = refusal(client, "noon", kind="rollout", heads=[0])
    assert said == "attention.heads: rollout is that of all attention heads; leave heads out"
    said = refusal(client, "noon", kind="entropy", top_k=2)
    assert said.startswith("attention.top_k: entropy has no rows to shorten")
    said = refusal(client, "noon", special="drop", query="sequence")
    assert said.startswith('attention.query: the position "sequence" is special')


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("first", "attention.query: Input should be 'all' or 'sequence'"),
        (3, 'attention.query: a query is "all", "sequence" or an object'),
        ({}, "attention.query: say start and end, or first_word and last_word"),
        ({"start": 0}, "attention.query: say start and end"),
        ({"start": 0, "end": None}, "attention.query: say start and end"),
        ({"start": 0, "last_word": 3}, "attention.query: say start and end"),
        ({"start": 0, "end": 1, "first_word": 1, "last_word": 2}, "attention.query: say start"),
        ({"start": 3, "end": 3}, "attention.query: it ends before it starts"),
        ({"first_word": 3, "last_word": 2}, "attention.query: it ends before it starts"),
        ({"start": -1, "end": 3}, "attention.query.start: Input should be greater"),
        ({"start": 0, "stop": 3}, "attention.query.stop: unknown field; there are start, end, fi"),
        ({"start": 4, "end": 9}, "attention.query: nothing of inputs.1 is there"),
        ({"first_word": 1, "last_word": 1}, "attention.query: nothing of inputs.1 is there"),
    ],
)
def test_a_query_that_is_none_is_told(client, query: Any, said: str) -> None:
    assert refusal(client, ["at noon", "noon"], query=query).startswith(said)


def test_code_points_are_those_of_a_text(client) -> None:
    said = refusal(client, {"words": ["noon"]}, query={"start": 0, "end": 2})
    assert said == "attention.query: inputs is no text; say first_word and last_word"


@pytest.mark.parametrize("level", ["position", "word"])
def test_the_query_of_a_span_is_what_overlaps_it(client, level: str) -> None:
    text = "noon \U0001f600 weather, RAIN"
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            if not text[start:end].strip():
                continue
            options = {"query": {"start": start, "end": end}, "level": level, "heads": "mean"}
            request = {"inputs": text, "attention": options}
            attention = client.ask("/v1/attention", request)["results"][0]["attention"]
            inside = [
                index
                for index, position in enumerate(attention["positions"])
                if "word" in position
                and set(range(position["start"], position["end"])) & set(range(start, end))
            ]
            assert attention["query"] == inside
            assert len(attention["weights"][0][0]) == len(inside)


def test_words_are_those_that_are_labelled(client) -> None:
    for source in ("Will it RAIN, zzz", {"words": ["Will", "\u200b", "it, rain "]}):
        request = {"inputs": source, "attention": {"level": "word"}}
        (result,) = client.ask("/v1/label", request)["results"]
        first, *words, last = result["attention"]["positions"]
        assert (first, last) == tuple(
            {"text": name, "special": True} for name in ("[CLS]", "[SEP]")
        )
        assert [word["text"] for word in words] == [
            label["text"] for label in result["labels"]["slots"]
        ]
        assert [word["word"] for word in words] == list(range(len(words)))
        for word in words:
            text = source if isinstance(source, str) else source["words"][word["word"]]
            assert text[word["start"] : word["end"]] == word["text"]


@pytest.mark.parametrize("options", [*CHOICES, {"layers": [0, 1], "top_k": 30}])
@pytest.mark.parametrize("limit", [700, 150, 60, 30, 9, 5])
def test_what_is_said_to_fit_does(make_client, options: dict[str, Any], limit: int) -> None:
    client = make_client(max_attention_floats=limit)
    request = {"inputs": TEXTS[:3], "attention": options}
    response = client.post("/v1/attention", request)
    if response.status_code == 200:
        return
    assert response.json()["type"] == "urn:regard:too-large"
    said = response.json()["detail"]
    assert f"numbers; at most {limit} are allowed" in said
    if limit == 5:
        assert said.endswith("; ask for fewer or shorter inputs")
        return
    fits = re.search(r'"attention": ({.*}) would fit', said)
    if fits is None:
        assert options.get("kind") in ("received", "entropy", "rollout")
        return
    answer, tensors = ask_file(
        client, "/v1/attention", request | {"attention": json.loads(fits[1])}
    )
    assert len(answer["results"]) == 3
    assert 0 < sum(tensor.size for tensor in tensors.values()) <= limit


def test_attention_is_batched_whatever_is_asked(client, monkeypatch) -> None:
    session = client.app.state.registry.get("tiny")._session
    run, batches = session.run, []
    monkeypatch.setattr(
        session, "run", lambda ids, valid, names: batches.append(len(ids)) or run(ids, valid, names)
    )
    requests = [
        {"inputs": text, "attention": options} for text in TEXTS[:2] * 3 for options in CHOICES
    ]
    alone = [client.ask("/v1/predict", request) for request in requests]
    assert set(batches) == {1}
    batches.clear()

    async def together() -> list[Any]:
        posts = [client.http.post("/v1/predict", json=request) for request in requests]
        return [response.json() for response in await asyncio.gather(*posts)]

    assert same(client.run(together()), alone)
    assert max(batches) > 3
