"""Whatever is wrong: a precise problem (RFC 9457), and the next request works."""

import asyncio
import gzip
import json
from typing import Any

import pytest

from service.problems import PROBLEMS
from tests.service.conftest import MAX_LENGTH

DEEP = b'{"inputs": ' + b"[" * 1000 + b'"a"' + b"]" * 1000 + b"}"


def check(client, response, status: int, kind: str, *details: str) -> dict[str, Any]:
    """It is that problem, and the service goes on."""
    problem = response.json()
    assert response.status_code == problem["status"] == status, problem
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"urn:regard:{kind}"
    assert problem["title"]
    for detail in details:
        assert detail in problem["detail"]
    assert client.ask("/v1/predict", {"inputs": "noon"})
    return problem


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "EOF"),
        (b"noon", "line 1"),
        (b'{"inputs": "noon"', "EOF"),
        (b'{"inputs": "noon"} noon', "trailing"),
        (b"\xef\xbb\xbf{}", "line 1 column 1"),
        (b'{"inputs": "\xff"}', "unicode"),
        (b'{"inputs": "\xed\xa0\xbd"}', "unicode"),
        (b'{"inputs": "\\uZZZZ"}', "escape"),
        (DEEP, "recursion limit"),
    ],
)
def test_what_is_not_json(client, body: bytes, detail: str) -> None:
    check(client, client.post("/v1/predict", body), 400, "invalid-json", detail)


@pytest.mark.parametrize(
    ("request_", "loc", "detail"),
    [
        ([], [], "object"),
        ("noon", [], "object"),
        ({}, ["inputs"], "required"),
        ({"inputs": None}, ["inputs"], '{"words": [...]}'),
        ({"inputs": 3}, ["inputs"], '{"words": [...]}'),
        ({"inputs": []}, ["inputs"], "at least 1"),
        ({"inputs": ["noon", 3]}, ["inputs", 1], '{"words": [...]}'),
        ({"inputs": ["noon", ["noon"]]}, ["inputs", 1], '{"words": [...]}'),
        ({"inputs": {}}, ["inputs", "words"], "required"),
        ({"inputs": {"words": []}}, ["inputs", "words"], "at least 1"),
        ({"inputs": {"words": "noon"}}, ["inputs", "words"], "array"),
        ({"inputs": ["noon", {"words": ["a", 1]}]}, ["inputs", 1, "words", 1], "string"),
        ({"inputs": {"words": ["a"], "x": 1}}, ["inputs", "x"], "unknown field; there are words"),
        ({"inputs": "a", "input": "a"}, ["input"], "model, inputs, attention, options"),
        ({"inputs": "a", "model": 3}, ["model"], "string"),
        ({"inputs": "a", "options": []}, ["options"], "object"),
        ({"inputs": "a", "options": {"k": 1}}, ["options", "k"], "top_k, threshold"),
        ({"inputs": "a", "options": {"top_k": 0}}, ["options", "top_k"], "greater than"),
        ({"inputs": "a", "options": {"top_k": 1001}}, ["options", "top_k"], "less than"),
        ({"inputs": "a", "options": {"top_k": "3"}}, ["options", "top_k"], "integer"),
        ({"inputs": "a", "options": {"top_k": True}}, ["options", "top_k"], "integer"),
        ({"inputs": "a", "options": {"threshold": 1.5}}, ["options", "threshold"], "less than"),
        ({"inputs": "a", "attention": {"layer": 1}}, ["attention", "layer"], "layers, heads"),
        ({"inputs": "a", "attention": {"layers": 1}}, ["attention", "layers"], '"all" or a list'),
        ({"inputs": "a", "attention": {"layers": "mean"}}, ["attention", "layers"], "'all'"),
        ({"inputs": "a", "attention": {"layers": []}}, ["attention", "layers"], "at least 1"),
        ({"inputs": "a", "attention": {"layers": [0, 3]}}, ["attention", "layers", 1], "-3 to 2"),
        ({"inputs": "a", "attention": {"heads": [-5]}}, ["attention", "heads", 0], "-4 to 3"),
        ({"inputs": "a", "attention": {"heads": [10**99]}}, ["attention", "heads", 0], "-4 to 3"),
        ({"inputs": "a", "attention": {"layers": [2, -1]}}, ["attention", "layers", 1], "twice"),
        ({"inputs": "a", "attention": {"heads": "max"}}, ["attention", "heads"], "'mean'"),
    ],
)
def test_what_is_no_valid_request(client, request_: Any, loc: list[Any], detail: str) -> None:
    response = client.post("/v1/predict", request_)
    problem = check(client, response, 422, "invalid-request", detail)
    assert problem["errors"][0]["loc"] == loc


def test_what_a_route_does_not_take_is_refused_not_ignored(client) -> None:
    request = {"inputs": "a", "options": {"top_k": 1}}
    for path in ("/v1/label", "/v1/attention"):
        problem = check(client, client.post(path, request), 422, "invalid-request")
        assert problem["errors"][0]["allowed"] == ["model", "inputs", "attention"]


def test_nan_is_no_number(client) -> None:
    response = client.post("/v1/predict", b'{"inputs": "a", "options": {"threshold": NaN}}')
    assert check(client, response, 422, "invalid-request")["errors"][0]["loc"][0] == "options"


def test_a_flood_of_errors_is_cut_short(client) -> None:
    request = {"inputs": "a"} | {f"key{index}": 1 for index in range(1000)}
    problem = check(client, client.post("/v1/predict", request), 422, "invalid-request")
    assert len(problem["errors"]) == 10


@pytest.mark.parametrize("text", ["", " ", "\t\n", "\u200b", "\x00", "\u0301"])
def test_a_text_without_a_visible_character(client, text: str) -> None:
    response = client.post("/v1/predict", {"inputs": ["noon", text]})
    problem = check(client, response, 422, "invalid-input", "inputs.1", "no visible character")
    assert problem["errors"][0]["loc"] == ["inputs", 1]
    response = client.post("/v1/predict", {"inputs": {"words": [text]}})
    assert check(client, response, 422, "invalid-input")["errors"][0]["loc"] == ["inputs"]


def test_more_positions_than_the_model_takes(client) -> None:
    fits = ["noon"] * (MAX_LENGTH - 2)
    assert client.ask("/v1/predict", {"inputs": " ".join(fits)})["usage"]["positions"] == MAX_LENGTH
    response = client.post("/v1/predict", {"inputs": ["noon", {"words": [*fits, "noon"]}]})
    check(client, response, 422, "invalid-input", "inputs.1", "42 positions; at most 41")


def test_an_unknown_model_is_told_which_there_are(client) -> None:
    response = client.post("/v1/predict", {"inputs": "a", "model": "huge"})
    problem = check(client, response, 404, "unknown-model", "'huge'", "tagger, tiny")
    assert problem["errors"][0]["allowed"] == ["tagger", "tiny"]
    check(client, client.get("/v1/models/huge"), 404, "unknown-model", "tagger, tiny")


def test_a_model_without_such_a_head(client) -> None:
    response = client.post("/v1/classify", {"inputs": "a", "model": "tagger"})
    check(client, response, 422, "missing-head", "no sequence or value head", "tags (token)")
    assert client.ask("/v1/label", {"inputs": "a", "model": "tagger"})


@pytest.mark.parametrize(
    ("limit", "request_", "loc", "detail"),
    [
        ({"max_inputs": 2}, {"inputs": ["a"] * 3}, ["inputs"], "3 inputs; at most 2"),
        (
            {"max_text_characters": 9},
            {"inputs": ["noon", "noon " * 2]},
            ["inputs", 1],
            "10 characters; at most 9",
        ),
        (
            {"max_text_characters": 9},
            {"inputs": {"words": ["noon"] * 3}},
            ["inputs"],
            "12 characters; at most 9",
        ),
        (
            {"max_request_positions": 5},
            {"inputs": ["noon"] * 2},
            ["inputs"],
            "more than the 5 positions over all inputs",
        ),
        (
            {"max_attention_floats": 100},
            {"inputs": ["noon"] * 2, "attention": {"layers": "all"}},
            ["attention"],
            "216 numbers; at most 100 are allowed; ",
        ),
    ],
)
def test_more_than_a_limit(
    make_client, limit: dict[str, int], request_: Any, loc: list[Any], detail: str
) -> None:
    client = make_client(**limit)
    problem = check(client, client.post("/v1/predict", request_), 413, "too-large", detail)
    assert problem["errors"][0]["loc"] == loc


def test_a_body_of_ten_megabytes(client) -> None:
    body = json.dumps({"inputs": "noon " * 2_000_000}).encode()
    response = client.post("/v1/predict", body)
    check(client, response, 413, "body-too-large", str(len(body)), "at most 1048576")


def test_a_body_whose_head_does_not_tell_its_size_is_read_no_further_than_allowed(client) -> None:
    read = []

    async def chunks():
        for index in range(1000):
            read.append(index)
            yield b" " * 100_000

    response = client.run(client.http.post("/v1/predict", content=chunks()))
    check(client, response, 413, "body-too-large", "more than the 1048576")
    assert len(read) <= 12


def test_a_compressed_body(client) -> None:
    body = gzip.compress(b'{"inputs": "noon"}')
    response = client.post("/v1/predict", body, **{"content-encoding": "gzip"})
    check(client, response, 415, "unknown-encoding", "gzip")
    assert response.headers["accept-encoding"] == "identity"


def test_an_unknown_path_and_a_wrong_method(client) -> None:
    check(client, client.get("/v1/predictions"), 404, "not-found", "GET /v1/predictions")
    check(client, client.post("/v1/predict/", {}), 404, "not-found")
    response = client.get("/v1/predict")
    check(client, response, 405, "method-not-allowed", "GET /v1/predict")
    assert response.headers["allow"] == "POST"


def test_a_full_queue_says_when_to_come_back(make_client) -> None:
    client = make_client(max_queue_positions=15, max_request_positions=15)

    async def flood() -> list[Any]:
        posts = [client.http.post("/v1/predict", json={"inputs": "noon noon"}) for _ in range(30)]
        return await asyncio.gather(*posts)

    answered = client.run(flood())
    refused = [response for response in answered if response.status_code != 200]
    assert 1 < len(refused) < len(answered), "some are answered, all others are refused"
    for response in refused:
        check(client, response, 429, "overloaded", "are waiting")
        assert int(response.headers["retry-after"]) >= 1


def test_a_bug_is_a_problem_too_and_stays_with_its_request(client, monkeypatch) -> None:
    session = client.app.state.registry.get("tiny")._session
    run = session.run

    def fail(inputs, names):
        if inputs["valid"].shape[1] > 10:
            raise RuntimeError("secret")
        return run(inputs, names)

    monkeypatch.setattr(session, "run", fail)
    response = client.post("/v1/predict", {"inputs": "noon " * 12})
    problem = check(client, response, 500, "internal-error")
    assert "secret" not in json.dumps(problem)


def test_without_a_model_nothing_is_ready(make_client, tmp_path) -> None:
    client = make_client(bundles=tmp_path, default_model=None)
    for response in (client.get("/health/ready"), client.post("/v1/predict", {"inputs": "a"})):
        assert response.status_code == 503
        assert response.json()["type"] == "urn:regard:no-model"
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/v1/models").json() == {"models": []}


def test_every_sort_of_problem_has_its_own_name() -> None:
    names = [sort.name for sort in PROBLEMS.values()]
    assert len(names) == len(set(names))
