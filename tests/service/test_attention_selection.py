"""What a selection of attention refuses, which rows a query means, and what fits under the cap."""

import asyncio
import json
import re
from typing import Any

import numpy as np
import pytest

from tests.service.conftest import TEXTS, same
from tests.service.test_attention_formats import CHOICES


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


def numbers_of(attention: dict[str, Any]) -> int:
    names = ("weights", "keys", "received", "entropy")
    return sum(np.size(attention[name]) for name in names if name in attention)


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
    asked = request | {"attention": json.loads(fits[1])}
    answer = client.ask("/v1/attention", asked)
    found = [numbers_of(result["attention"]) for result in answer["results"]]
    assert len(found) == 3
    assert 0 < sum(found) <= limit


def test_attention_is_batched_whatever_is_asked(client, monkeypatch) -> None:
    session = client.app.state.registry.get("tiny")._session
    run, batches = session.run, []
    monkeypatch.setattr(
        session,
        "run",
        lambda inputs, names: batches.append(len(inputs["valid"])) or run(inputs, names),
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
