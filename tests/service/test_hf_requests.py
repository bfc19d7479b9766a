"""/hf: which head is asked, what is refused and how, what limits hold."""

import asyncio
from typing import Any

import pytest

from tests.service.conftest import INTENT, MAX_LENGTH, SENTENCE


def check(response, status: int, kind: str, *details: str) -> dict[str, Any]:
    """It is that problem, with its message where Hugging Face's clients look for it."""
    problem = response.json()
    assert response.status_code == problem["status"] == status, problem
    assert response.headers["content-type"] == "application/json"
    assert problem["type"] == f"urn:regard:{kind}"
    assert problem["error"] == problem["detail"]
    for detail in details:
        assert detail in problem["error"]
    return problem


def test_the_head_that_the_path_names_is_asked(client) -> None:
    slots = client.ask("/hf/tiny/slots", {"inputs": SENTENCE})
    assert {"entity_group", "score", "word", "start", "end"} == set(slots[0])
    [classes] = client.ask("/hf/tiny/intent", {"inputs": SENTENCE})
    assert sorted(item["label"] for item in classes) == list(INTENT.labels)
    assert client.ask("/hf/tagger/tags", {"inputs": SENTENCE})


@pytest.mark.parametrize(
    ("parameters", "head"),
    [
        ({}, "slots"),
        ({"aggregation_strategy": "max"}, "slots"),
        ({"ignore_labels": []}, "slots"),
        ({"stride": 3}, "slots"),
        ({"top_k": None}, "slots"),
        ({"top_k": 2}, "intent"),
        ({"function_to_apply": "sigmoid"}, "intent"),
        ({"top_k": 2, "function_to_apply": "none", "stride": None}, "intent"),
    ],
)
def test_else_the_first_that_takes_the_parameters(client, parameters: dict, head: str) -> None:
    request = {"inputs": [SENTENCE, "noon"], "parameters": parameters}
    assert client.ask("/hf/tiny", request) == client.ask(f"/hf/tiny/{head}", request)


def test_an_unknown_head_or_model_is_told_which_there_are(client) -> None:
    response = client.post("/hf/tiny/tags", {"inputs": "noon"})
    problem = check(response, 422, "missing-head", "no head 'tags'; it has slots, intent")
    assert problem["errors"][0]["allowed"] == ["slots", "intent"]
    check(client.post("/hf/huge", {"inputs": "noon"}), 404, "unknown-model", "tagger, tiny")
    check(client.post("/hf/dslim/bert-base-NER", {"inputs": "noon"}), 404, "unknown-model")
    check(client.post("/hf/a/b/c", {"inputs": "noon"}), 404, "not-found")
    check(client.get("/hf/tiny"), 405, "method-not-allowed")


@pytest.mark.parametrize(
    ("request_", "loc", "detail"),
    [
        ([], [], "object"),
        ({}, ["inputs"], "required"),
        ({"inputs": 3}, ["inputs"], "an input is text"),
        ({"inputs": []}, ["inputs"], "at least 1"),
        ({"inputs": ["noon", 3]}, ["inputs", 1], "string"),
        ({"inputs": {"text": "noon", "text_pair": "a"}}, ["inputs"], "an input is text"),
        ({"inputs": "a", "model": "tiny"}, ["model"], "there are inputs, parameters, options"),
        ({"inputs": "a", "options": 3}, ["options"], "object"),
        ({"inputs": "a", "parameters": []}, ["parameters"], "object"),
        (
            {"inputs": "a", "parameters": {"truncation": True}},
            ["parameters", "truncation"],
            "aggregation_strategy, ignore_labels, stride, function_to_apply, top_k",
        ),
        (
            {"inputs": "a", "parameters": {"aggregation_strategy": "mean"}},
            ["parameters", "aggregation_strategy"],
            "'none', 'simple', 'first', 'average' or 'max'",
        ),
        (
            {"inputs": "a", "parameters": {"ignore_labels": "O"}},
            ["parameters", "ignore_labels"],
            "array",
        ),
        ({"inputs": "a", "parameters": {"stride": -1}}, ["parameters", "stride"], "greater than"),
        ({"inputs": "a", "parameters": {"stride": 1.5}}, ["parameters", "stride"], "integer"),
        ({"inputs": "a", "parameters": {"stride": 39}}, ["parameters", "stride"], "39 pieces"),
        (
            {"inputs": "a", "parameters": {"stride": 3, "aggregation_strategy": "none"}},
            ["parameters", "stride"],
            "another aggregation_strategy",
        ),
        ({"inputs": "a", "parameters": {"top_k": 0}}, ["parameters", "top_k"], "greater than"),
        ({"inputs": "a", "parameters": {"top_k": "3"}}, ["parameters", "top_k"], "integer"),
        (
            {"inputs": "a", "parameters": {"function_to_apply": "relu"}},
            ["parameters", "function_to_apply"],
            "'softmax', 'sigmoid' or 'none'",
        ),
        (
            {"inputs": "a", "parameters": {"stride": 3, "top_k": 3}},
            ["parameters"],
            "no head takes stride and top_k: slots takes aggregation_strategy, ignore_labels, "
            "stride; intent takes function_to_apply, top_k",
        ),
    ],
)
def test_what_is_no_valid_request(client, request_: Any, loc: list[Any], detail: str) -> None:
    problem = check(client.post("/hf/tiny", request_), 422, "invalid-request", detail)
    assert problem["errors"][0]["loc"] == loc


def test_a_head_of_another_task_does_not_take_the_parameters(client) -> None:
    request = {"inputs": "noon", "parameters": {"top_k": 3}}
    for path, names in (("/hf/tiny/slots", "slots takes"), ("/hf/tagger", "tags takes")):
        check(client.post(path, request), 422, "invalid-request", names)


def test_what_is_not_json(client) -> None:
    check(client.post("/hf/tiny", b"noon"), 400, "invalid-json")


def test_options_are_taken_and_have_no_effect(client) -> None:
    request = {"inputs": "noon", "options": {"wait_for_model": True, "use_cache": False}}
    assert client.ask("/hf/tiny/intent", request) == client.ask(
        "/hf/tiny/intent", {"inputs": "noon"}
    )


def test_a_lone_surrogate_is_read_as_the_replacement_character(client) -> None:
    body = rb'{"inputs": "noon \ud83d noon", "parameters": {"ignore_labels": []}}'
    found = client.run(client.http.post("/hf/tagger", content=body)).json()
    assert found == client.ask("/hf/tagger", {"inputs": "noon \ufffd noon"})


def test_a_text_that_is_too_long_is_refused_without_a_stride(client) -> None:
    fits, long = "noon " * (MAX_LENGTH - 2), "noon " * (MAX_LENGTH - 1)
    for head in ("slots", "intent"):
        client.ask(f"/hf/tiny/{head}", {"inputs": fits})
        response = client.post(f"/hf/tiny/{head}", {"inputs": ["noon", long]})
        problem = check(response, 422, "invalid-input", "42 positions; at most 41", "stride")
        assert problem["errors"][0]["loc"] == ["inputs", 1]
        response = client.post(f"/hf/tiny/{head}", {"inputs": long})
        assert check(response, 422, "invalid-input")["errors"][0]["loc"] == ["inputs"]
    assert client.ask("/hf/tiny/slots", {"inputs": long, "parameters": {"stride": 3}})


@pytest.mark.parametrize(
    ("limit", "request_", "detail"),
    [
        ({"max_inputs": 2}, {"inputs": ["a"] * 3}, "3 inputs; at most 2"),
        ({"max_text_characters": 9}, {"inputs": "noon " * 2}, "10 characters; at most 9"),
        ({"max_request_positions": 5}, {"inputs": ["noon"] * 2}, "more than 5 positions"),
        (
            {"max_request_positions": 200},
            {"inputs": "noon " * 100, "parameters": {"stride": 30}},
            "more than 200 positions",
        ),
    ],
)
def test_more_than_a_limit(make_client, limit: dict[str, int], request_: Any, detail: str) -> None:
    check(make_client(**limit).post("/hf/tiny", request_), 413, "too-large", detail)


def test_chunks_that_are_too_many_are_never_made(client) -> None:
    text = "! " * 10_000  # with a step of 1 it would be some ten thousand chunks
    request = {"inputs": [text] * 40, "parameters": {"stride": MAX_LENGTH - 3}}
    response = client.post("/hf/tiny", request)
    check(response, 413, "too-large", "more than 8192 positions")
    spent_ms = float(response.headers["server-timing"].rpartition("=")[2])
    assert spent_ms < 5_000


def test_a_deadline_and_a_full_queue_are_told_too(make_client) -> None:
    client = make_client(max_queue_positions=15, max_request_positions=15)
    late = client.post("/hf/tiny", {"inputs": "noon"}, **{"x-request-timeout": "0.0000001"})
    check(late, 504, "deadline-exceeded")

    async def flood() -> list[Any]:
        posts = [client.http.post("/hf/tiny", json={"inputs": "noon noon"}) for _ in range(30)]
        return await asyncio.gather(*posts)

    answered = client.run(flood())
    refused = [response for response in answered if response.status_code != 200]
    assert 1 < len(refused) < len(answered)
    for response in refused:
        check(response, 429, "overloaded")
        assert int(response.headers["retry-after"]) >= 1


def test_the_stages_of_a_request_are_timed(client) -> None:
    timing = client.post("/hf/tiny", {"inputs": "noon"}).headers["server-timing"]
    stages = [stage.partition(";")[0] for stage in timing.split(", ")]
    assert stages == ["preprocess", "queue", "model", "decode", "total"]
