"""Every modality and every kind of head, by way of HTTP, against the network itself."""

import threading
from typing import Any

import numpy as np
import pytest
import torch

from model.ctc import greedy
from model.network import Network
from model.preprocess.npy import read_npy
from service import inputs
from tests.service.modalities import KINDS, MODALITIES, RATE, cases, npy, run, sound


def dense(network: Network, encoded: Any, weights: torch.Tensor) -> np.ndarray:
    """(heads, query, key), whatever the field of view."""
    length, given = encoded.length, weights[0].numpy()
    if "edges" in encoded.arrays:
        full = np.zeros((len(given), length, length), np.float32)
        for place, (query, key) in enumerate(encoded.arrays["edges"]):
            full[:, query, key] = given[:, place]
        return full
    if (window := network.config.encoder.window) is None:
        return given
    full = np.zeros((len(given), length, length + 2 * window), np.float32)
    for query in range(length):
        full[:, query, query : query + 2 * window + 1] = given[:, query]
    return full[:, :, window : window + length]


@pytest.mark.parametrize("name", MODALITIES)
def test_every_head_answers_as_the_network_does(sources, modalities, name: str) -> None:
    network, given = modalities.networks[name], cases(name)
    request = {"model": name, "inputs": [asked for asked, _ in given], "options": {"top_k": 4}}
    answer = sources.ask("/v1/predict", request)
    for (_, source), result in zip(given, answer["results"], strict=True):
        encoded, output = run(network, source)
        logits = {head: values[0] for head, values in output.logits.items()}
        best = logits["part"].argmax(-1)[list(encoded.labelled)]
        assert [one["label"] for one in result["labels"]["part"]] == ["xyz"[i] for i in best]
        shares = logits["whole"].softmax(-1)
        for found in result["classes"]["whole"]:
            assert found["score"] == pytest.approx(
                shares["abcd".index(found["label"])].item(), abs=1e-4
            )
        assert result["values"]["size"] == pytest.approx(logits["size"].item(), abs=1e-4)
        expected = greedy(logits["said"].numpy())
        assert result["transcripts"]["said"]["text"] == " ".join(
            KINDS[3].labels[label] for label in expected.labels
        )
        assert result["transcripts"]["said"]["score"] == pytest.approx(expected.score, abs=1e-4)


@pytest.mark.parametrize("name", MODALITIES)
def test_an_answer_is_the_same_alone_and_among_others(sources, name: str) -> None:
    asked = [request for request, _ in cases(name)]
    together = sources.ask("/v1/predict", {"model": name, "inputs": asked})["results"]
    for one, expected in zip(asked, together, strict=True):
        (alone,) = sources.ask("/v1/predict", {"model": name, "inputs": one})["results"]
        assert alone["labels"]["part"] == [
            entry | {"score": pytest.approx(entry["score"], abs=1e-5)}
            for entry in expected["labels"]["part"]
        ]


@pytest.mark.parametrize("name", MODALITIES)
def test_attention_is_laid_out_as_rows_of_all_positions(sources, modalities, name: str) -> None:
    for request, source in cases(name):
        attention = {"layers": "all", "dtype": "float32"}
        body = {"model": name, "inputs": request, "attention": attention}
        (result,) = sources.ask("/v1/attention", body)["results"]
        encoded, output = run(modalities.networks[name], source)
        found = np.array(result["attention"]["weights"])
        expected = [dense(modalities.networks[name], encoded, layer) for layer in output.weights]
        np.testing.assert_allclose(found, np.stack(expected), atol=1e-4)
        assert len(result["attention"]["positions"]) == encoded.length
        one = body | {"attention": {"layers": "all", "query": {"first": 1, "last": 1}}}
        (row,) = sources.ask("/v1/attention", one)["results"]
        np.testing.assert_allclose(row["attention"]["weights"], found[:, :, 1:2], atol=1e-6)
        rolled = body | {"attention": {"kind": "rollout"}}
        (result,) = sources.ask("/v1/attention", rolled)["results"]
        np.testing.assert_allclose(np.array(result["attention"]["weights"]).sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"beam_width": 4}])
def test_numbers_that_a_network_cannot_add_up_are_told(sources, options: dict[str, int]) -> None:
    rows = [[3.4e38, -3.4e38, 1e38, 3.4e38, 1.0]] * 3
    for name, large in (("vectors", {"vectors": rows}), ("graph", {"nodes": rows})):
        inputs = [cases(name)[0][0], large]
        request = {"model": name, "inputs": inputs, "options": options}
        response = sources.post("/v1/predict", request)
        assert response.status_code == 422
        assert "inputs.1: its numbers are too large" in response.json()["detail"]


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", "<i8", ">u2", "i1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_npy_file_is_answered_as_its_numbers_are(sources, dtype: str, order: str) -> None:
    rows = np.arange(40).reshape(8, 5).astype(dtype, order=order)
    asked = {"model": "vectors", "inputs": [{"vectors": rows.tolist()}, npy(rows)]}
    numbers, file = sources.ask("/v1/predict", asked)["results"]
    assert file == numbers


def test_a_large_npy_file_is_read_off_the_event_loop(sources, monkeypatch) -> None:
    seen = []

    def look(data: bytes) -> Any:
        seen.append(threading.current_thread())
        return read_npy(data)

    monkeypatch.setattr(inputs, "read_npy", look)
    for rows in (3, 60):
        sources.ask("/v1/classify", {"model": "vectors", "inputs": npy(np.zeros((rows, 5), "f8"))})
    large = [{"vectors": npy(np.zeros((60, 5)))["vectors"]}] * 2
    sources.ask("/v1/classify", {"model": "vectors", "inputs": large})
    assert [thread is seen[0] for thread in seen] == [True, True, False, False]


def test_places_are_in_the_terms_of_the_input(sources) -> None:
    def first(name: str) -> list[dict[str, Any]]:
        request = {"model": name, "inputs": cases(name)[0][0]}
        labels = sources.ask("/v1/label", request)["results"][0]["labels"]["part"]
        return [{k: v for k, v in one.items() if k not in ("label", "score")} for one in labels]

    assert first("vectors") == [{"position": 0}, {"position": 1}, {"position": 2}]
    assert first("graph") == [{"node": 0}, {"node": 1}, {"node": 2}]
    assert first("image")[:4] == [
        {"row": 0, "column": 0},
        {"row": 0, "column": 4},
        {"row": 0, "column": 8},
        {"row": 4, "column": 0},
    ]
    assert first("sound")[1] == {"start_s": 0.02, "end_s": 0.04}
    assert first("word") == [{"start": i, "end": i + 1} for i in range(3)]


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("vectors", "text", 'inputs: this model takes {"vectors": [[...], ...]}'),
        ("sound", {"vectors": [[1.0]]}, "a WAV, FLAC or Ogg file in base64"),
        ("vectors", {"vectors": [[1.0] * 5, [2.0]]}, "vector 1 has 1 numbers, the first has 5"),
        ("vectors", {"vectors": [[1.0] * 4]}, "(length, 5) is wanted"),
        ("vectors", {"vectors": [[1.0] * 5] * 61}, "61 positions; at most 60 are allowed"),
        ("vectors", {"vectors": []}, "inputs.vectors: List should have at least 1 item"),
        ("vectors", {"vectors": 3}, "inputs.vectors: vectors are a list of lists of numbers, or a"),
        ("vectors", {"vectors": "AAAA"}, "inputs: not a .npy file, or a damaged one"),
        ("vectors", {"vectors": "%"}, "inputs: not base64"),
        ("vectors", npy(np.zeros((3, 4))), "inputs: shape (3, 4); (length, 5) is wanted"),
        ("vectors", npy(np.zeros((61, 5), "i1")), "61 positions; at most 60 are allowed"),
        ("vectors", npy(np.diag([1, 2, np.inf, 4, 5])), "float32: vector 2, feature 2"),
        ("vectors", npy(np.full((1, 5), 1e39)), "not finite as float32: vector 0, feature 0"),
        ("vectors", npy(np.full((2, 5), None)), "the array's type is object; allowed are"),
        ("vectors", {"vectors": [["1"]]}, "inputs.vectors.0.0: Input should be a valid number"),
        ("graph", {"nodes": [[1.0] * 5], "edges": [[0, 1]]}, "edge 0 is [0, 1]; nodes are 0 to 0"),
        ("image", {"image": "%%%"}, "inputs: not base64"),
        ("image", {"image": "AAAA"}, "not a PNG or JPEG image"),
        ("sound", {"audio": "AAAA"}, "not a sound file"),
        ("sound", {"audio": sound(np.zeros(RATE * 9, np.float32))}, "longer than 1.2 s"),
        ("sound", {"audio": "", "more": 1}, "unknown field; there are audio"),
        ("word", {"words": ["a"]}, "this model takes text: one word"),
        ("word", "a cab", "' ' at 1 is none of the letters abc'; an input is one word"),
        ("word", "a" * 31, "31 letters; 1 to 30 are allowed"),
    ],
)
def test_what_a_model_cannot_take_is_told(sources, name: str, given: Any, told: str) -> None:
    response = sources.post("/v1/predict", {"model": name, "inputs": given})
    assert response.status_code == 422
    assert told in response.json()["detail"]
