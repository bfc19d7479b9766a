"""What /v1 answers, held against the network in torch and against itself."""

import asyncio
import json
import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from model.decode import TokenDecoder
from service.predictor import LOOP_CHARACTERS
from tests.service.conftest import HEADS, INTENT, LAYERS, MAX_LENGTH, SLOTS

TEXTS = [
    "book a table for two in new york",
    "Will it rain?",
    "noon",
    "weather in Paris, on monday at noon. will it rain in new york on monday",
    "a table",
    "at noon book two",
    "it",
]


def torch_outputs(tiny: SimpleNamespace, text: str) -> tuple[Any, Any]:
    """The encoded text, and what the network itself makes of it."""
    encoded = tiny.preprocessor.encode_text(text)
    token_ids = torch.from_numpy(encoded.token_ids)[None]
    with torch.inference_mode():
        return encoded, tiny.network(token_ids, torch.ones_like(token_ids, dtype=torch.bool))


def same(ours: Any, theirs: Any) -> bool:
    """Equal; numbers within 1e-4."""
    if isinstance(ours, dict):
        return list(ours) == list(theirs) and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return ours == pytest.approx(theirs, abs=1e-4) if isinstance(ours, float) else ours == theirs


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


def attention(client, text: str, **selection: object) -> dict[str, Any]:
    request: dict[str, object] = {"inputs": text}
    if selection:
        request["attention"] = selection
    (result,) = client.ask("/v1/attention", request)["results"]
    assert list(result) == ["attention"]
    return result["attention"]


def test_attention_is_the_networks_own(client, tiny) -> None:
    answer = attention(client, TEXTS[0], layers="all", heads="all")
    _, output = torch_outputs(tiny, TEXTS[0])
    expected = torch.cat(output.weights)
    assert (answer["layers"], answer["heads"]) == ([0, 1, 2], [0, 1, 2, 3])
    assert np.abs(np.array(answer["weights"]) - expected.numpy()).max() <= 1e-4
    assert np.array(answer["weights"]).sum(-1) == pytest.approx(1, abs=1e-5)


def test_attention_selects(client) -> None:
    full = np.array(attention(client, TEXTS[0], layers="all")["weights"])
    default = attention(client, TEXTS[0])
    assert (default["layers"], default["heads"]) == ([LAYERS - 1], list(range(HEADS)))
    assert np.array(default["weights"]) == pytest.approx(full[-1:])
    some = attention(client, TEXTS[0], layers=[1, -3], heads=[-1, 0])
    assert (some["layers"], some["heads"]) == ([1, 0], [3, 0])
    assert np.array(some["weights"]) == pytest.approx(full[[1, 0]][:, [3, 0]])
    mean = attention(client, TEXTS[0], layers=[0], heads="mean")
    assert mean["heads"] == "mean"
    assert np.array(mean["weights"]) == pytest.approx(full[:1].mean(1, keepdims=True), abs=1e-6)


def test_attention_names_its_positions(client) -> None:
    text = "Will it RAIN, zzz"
    positions = attention(client, text)["positions"]
    assert positions[0] == {"text": "[CLS]", "special": True}
    assert positions[-1] == {"text": "[SEP]", "special": True}
    pieces = positions[1:-1]
    assert all("special" not in piece for piece in pieces)
    assert all(text[piece["start"] : piece["end"]] == piece["text"] for piece in pieces)
    assert "".join(piece["text"] for piece in pieces) == text.replace(" ", "")
    words = [
        word["text"]
        for word in client.ask("/v1/label", {"inputs": text})["results"][0]["labels"]["slots"]
    ]
    assert words == ["Will", "it", "RAIN", ",", "zzz"]
    assert all(piece["text"] in words[piece["word"]] for piece in pieces)


def test_attention_of_given_words_names_places_in_the_word(client) -> None:
    words = ["Will", "it,"]
    request = {"inputs": {"words": words}}
    pieces = client.ask("/v1/attention", request)["results"][0]["attention"]["positions"][1:-1]
    assert "".join(piece["text"] for piece in pieces) == "".join(words)
    for piece in pieces:
        assert words[piece["word"]][piece["start"] : piece["end"]] == piece["text"]


def test_attention_comes_with_the_other_answers_only_if_asked(client) -> None:
    for path in ("predict", "label", "classify"):
        (plain,) = client.ask(f"/v1/{path}", {"inputs": "noon"})["results"]
        request = {"inputs": "noon", "attention": {"heads": "mean"}}
        (asked,) = client.ask(f"/v1/{path}", request)["results"]
        assert "attention" not in plain
        assert same(plain | {"attention": asked["attention"]}, asked)


def test_only_the_layers_that_were_asked_for_are_fetched(client, monkeypatch) -> None:
    session = client.app.state.registry.get("tiny")._session
    fetched = []
    run = session.run
    monkeypatch.setattr(
        session, "run", lambda ids, valid, names: fetched.append(names) or run(ids, valid, names)
    )
    client.ask("/v1/predict", {"inputs": "noon"})
    client.ask("/v1/predict", {"inputs": "noon", "attention": {"layers": [1]}})
    assert [set(names) for names in fetched] == [
        {"slots", "intent"},
        {"slots", "intent", "attention.1"},
    ]


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
    assert model["dev"] == {"fp32": {"slots_f1": 0.25}, "int8": {"slots_f1": 0.125}}
    assert "files" not in model


def test_json_may_be_sent_under_any_content_type(client) -> None:
    body = json.dumps({"inputs": "noon"}).encode()
    for media in ("text/plain", "application/x-www-form-urlencoded", "application/octet-stream"):
        response = client.post("/v1/predict", body, **{"content-type": media})
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
