"""What /v1 answers, held against the network in torch and against itself."""

import asyncio
import json
import random
from typing import Any

import numpy as np
import pytest

from model.decode import TokenDecoder
from service.offload import LOOP_CHARACTERS
from tests.service.conftest import (
    HEADS,
    INTENT,
    LAYERS,
    MAX_LENGTH,
    SLOTS,
    TEXTS,
    same,
    torch_outputs,
)


def test_predict_answers_every_head(client, tiny) -> None:
    text = TEXTS[0]
    answer = client.ask("/v1/predict", {"inputs": text})
    encoded, output = torch_outputs(tiny, text)
    assert (answer["model"], answer["version"]) == ("tiny", "7")
    assert answer["usage"] == {"positions": len(encoded.token_ids)}
    (result,) = answer["results"]
    assert list(result) == ["labels", "spans", "classes"]

    decoder = TokenDecoder(SLOTS.labels)
    best, scores = decoder.decode(output.logits["slots"][0].numpy()[encoded.first])
    assert [word["text"] for word in result["labels"]["slots"]] == text.split()
    assert [word["label"] for word in result["labels"]["slots"]] == [SLOTS.labels[i] for i in best]
    assert [word["score"] for word in result["labels"]["slots"]] == pytest.approx(
        scores.tolist(), abs=1e-4
    )
    for item in result["labels"]["slots"] + result["spans"]["slots"]:
        assert text[item["start"] : item["end"]] == item["text"]

    probabilities = output.logits["intent"][0].softmax(-1)
    (top,) = result["classes"]["intent"]
    assert top["label"] == INTENT.labels[probabilities.argmax()]
    assert top["score"] == pytest.approx(probabilities.max().item(), abs=1e-4)


def test_spans_are_the_labels_words(client) -> None:
    answer = client.ask("/v1/label", {"inputs": TEXTS})
    seen = 0
    for text, result in zip(TEXTS, answer["results"], strict=True):
        assert list(result) == ["labels", "spans"]
        words = result["labels"]["slots"]
        for span in result["spans"]["slots"]:
            inside = [word for word in words if span["start"] <= word["start"] < span["end"]]
            first, *others = [word["label"] for word in inside]
            assert first == f"B-{span['label']}"
            assert set(others) <= {f"I-{span['label']}"}
            assert span["text"] == text[inside[0]["start"] : inside[-1]["end"]]
            assert span["score"] == pytest.approx(
                np.mean([word["score"] for word in inside]), abs=1e-5
            )
            seen += 1
        assert sum(word["label"][0] == "B" for word in words) == len(result["spans"]["slots"])
    assert seen > 3


def test_given_words_are_labelled_one_for_one(client) -> None:
    words = ["new york", "", "on", "\u200b", "MONDAY,", "on"]
    (result,) = client.ask("/v1/label", {"inputs": {"words": words}})["results"]
    assert [word["text"] for word in result["labels"]["slots"]] == words
    assert [word["word"] for word in result["labels"]["slots"]] == list(range(len(words)))
    for span in result["spans"]["slots"]:
        inside = words[span["first_word"] : span["last_word"] + 1]
        assert span["text"] == " ".join(inside)


def test_words_and_text_are_the_same_to_the_model(client) -> None:
    text, words = client.ask("/v1/label", {"inputs": [TEXTS[0], {"words": TEXTS[0].split()}]})[
        "results"
    ]
    keys = ("text", "label", "score")
    for one, other in zip(text["labels"]["slots"], words["labels"]["slots"], strict=True):
        assert [one[key] for key in keys] == [other[key] for key in keys]


def test_labels_that_are_not_bio_form_no_spans(client) -> None:
    (result,) = client.ask("/v1/predict", {"model": "tagger", "inputs": "a table"})["results"]
    assert list(result) == ["labels"]
    assert [word["text"] for word in result["labels"]["tags"]] == ["a", "table"]


def test_classes_are_sorted_cut_and_thresholded(client) -> None:
    def classes(**options: float) -> list[dict[str, Any]]:
        request = {"inputs": TEXTS[0], "options": options}
        (result,) = client.ask("/v1/classify", request)["results"]
        assert list(result) == ["classes"]
        return result["classes"]["intent"]

    ranked = classes(top_k=1000)
    assert sorted(item["label"] for item in ranked) == sorted(INTENT.labels)
    assert ranked == sorted(ranked, key=lambda item: -item["score"])
    assert sum(item["score"] for item in ranked) == pytest.approx(1, abs=1e-5)
    assert classes() == ranked[:1]
    assert classes(top_k=3) == ranked[:3]
    limit = ranked[1]["score"]
    assert classes(top_k=9, threshold=limit) == [r for r in ranked if r["score"] >= limit]
    assert classes(threshold=1) == []


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_an_answer_does_not_depend_on_its_batch(make_client, precision: str) -> None:
    client = make_client(precision=precision)
    attention = {"layers": "all"}
    many = client.ask("/v1/predict", {"inputs": TEXTS, "attention": attention})
    for text, result in zip(TEXTS, many["results"], strict=True):
        (alone,) = client.ask("/v1/predict", {"inputs": text, "attention": attention})["results"]
        assert same(result, alone)


def test_concurrent_requests_get_their_own_answers(client) -> None:
    alone = [client.ask("/v1/predict", {"inputs": text}) for text in TEXTS]

    async def together() -> list[Any]:
        posts = [client.http.post("/v1/predict", json={"inputs": text}) for text in TEXTS * 5]
        return [response.json() for response in await asyncio.gather(*posts)]

    assert same(client.run(together()), alone * 5)


def test_neighbours_that_leave_or_fail_change_nothing(client) -> None:
    alone = {text: client.ask("/v1/predict", {"inputs": text}) for text in TEXTS}
    draw = random.Random(5)

    async def request(text: str, leaves: bool) -> Any:
        post = client.http.post("/v1/predict", json={"inputs": text})
        return await asyncio.wait_for(post, 0.0005) if leaves else (await post).json()

    async def together() -> list[Any]:
        drawn = [(draw.choice([*TEXTS, "", "noon " * 50]), draw.random() < 0.3) for _ in range(400)]
        answers = await asyncio.gather(*(request(*one) for one in drawn), return_exceptions=True)
        return [(*one, answer) for one, answer in zip(drawn, answers, strict=True)]

    outcomes = client.run(together())
    left = sum(isinstance(answer, TimeoutError) for _, _, answer in outcomes)
    assert 50 < left < 200
    for text, leaves, answer in outcomes:
        if leaves:
            continue
        if text in alone:
            assert same(answer, alone[text])
        else:
            assert answer["type"] == "urn:regard:invalid-input"
    values = client.app.state.registry.get("tiny")._batcher
    assert values.waiting_positions == 0


def test_large_requests_are_answered_like_small_ones(client) -> None:
    inputs = TEXTS * 30
    assert sum(map(len, inputs)) > LOOP_CHARACTERS, "worked on off the event loop"
    few = client.ask("/v1/predict", {"inputs": TEXTS})["results"]
    assert same(client.ask("/v1/predict", {"inputs": inputs})["results"], few * 30)


def test_models_are_described(client) -> None:
    listed = client.get("/v1/models").json()["models"]
    assert [model["name"] for model in listed] == ["tagger", "tiny"]
    model = client.get("/v1/models/tiny").json()
    assert model == listed[1]
    assert model["heads"][1] == {
        "name": "intent",
        "kind": "sequence",
        "labels": list(INTENT.labels),
    }
    assert model["attention"] == {"layers": LAYERS, "heads": HEADS}
    assert model["limits"]["positions_per_input"] == MAX_LENGTH
    assert (model["precision"], model["default"]) == ("fp32", True)
    assert model["examples"] == ["at noon"]
    assert model["dev"] == {"fp32": {"slots_f1": 0.25}, "int8": {"slots_f1": 0.125}}
    assert "files" not in model


def test_json_may_be_sent_under_any_content_type(client) -> None:
    body = json.dumps({"inputs": "noon"}).encode()
    for media in ("text/plain", "application/x-www-form-urlencoded", "application/octet-stream"):
        response = client.post("/v1/predict", body, **{"content-type": media})
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
