"""The attention weights /v1 answers, held against the network in torch."""

from typing import Any

import numpy as np
import pytest
import torch

from tests.service.conftest import HEADS, LAYERS, TEXTS, same, torch_outputs


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
        session, "run", lambda inputs, names: fetched.append(names) or run(inputs, names)
    )
    client.ask("/v1/predict", {"inputs": "noon"})
    client.ask("/v1/predict", {"inputs": "noon", "attention": {"layers": [1]}})
    assert [set(names) for names in fetched] == [
        {"slots", "intent"},
        {"slots", "intent", "attention.1"},
    ]
