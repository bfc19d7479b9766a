"""Every modality and every kind of head, by way of HTTP, against the network itself."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from model.ctc import greedy
from model.network import Network
from model.preprocess.batch import pad
from model.preprocess.modalities import make_preprocessor
from service.settings import Settings
from tests.service.conftest import Client, write_bundle
from tests.service.modalities import KINDS, MODALITIES, RATE, cases, config, sound


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """client; networks by name."""
    folder = tmp_path_factory.mktemp("modalities")
    networks = {name: write_bundle(folder / name, config(name)) for name in MODALITIES}
    client = Client(Settings(bundles=str(folder), precision="fp32", threads=1))
    yield SimpleNamespace(client=client, networks=networks)
    client.close()


def run(network: Network, source: Any) -> tuple[Any, Any]:
    """What it encodes to, and what torch makes of it."""
    encoded = make_preprocessor(network.config.preprocess, 60, "").encode(source)
    arrays = {name: torch.from_numpy(array) for name, array in pad([encoded]).items()}
    with torch.inference_mode():
        return encoded, network(arrays)


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
def test_every_head_answers_as_the_network_does(served: SimpleNamespace, name: str) -> None:
    network, given = served.networks[name], cases(name)
    request = {"model": name, "inputs": [asked for asked, _ in given], "options": {"top_k": 4}}
    answer = served.client.ask("/v1/predict", request)
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
def test_an_answer_is_the_same_alone_and_among_others(served: SimpleNamespace, name: str) -> None:
    asked = [request for request, _ in cases(name)]
    together = served.client.ask("/v1/predict", {"model": name, "inputs": asked})["results"]
    for one, expected in zip(asked, together, strict=True):
        (alone,) = served.client.ask("/v1/predict", {"model": name, "inputs": one})["results"]
        assert alone["labels"]["part"] == [
            entry | {"score": pytest.approx(entry["score"], abs=1e-5)}
            for entry in expected["labels"]["part"]
        ]


@pytest.mark.parametrize("name", MODALITIES)
def test_attention_is_laid_out_as_rows_of_all_positions(served: SimpleNamespace, name: str) -> None:
    for request, source in cases(name):
        attention = {"layers": "all", "dtype": "float32"}
        body = {"model": name, "inputs": request, "attention": attention}
        (result,) = served.client.ask("/v1/attention", body)["results"]
        encoded, output = run(served.networks[name], source)
        found = np.array(result["attention"]["weights"])
        expected = [dense(served.networks[name], encoded, layer) for layer in output.weights]
        np.testing.assert_allclose(found, np.stack(expected), atol=1e-4)
        assert len(result["attention"]["positions"]) == encoded.length
        one = body | {"attention": {"layers": "all", "query": {"first": 1, "last": 1}}}
        (row,) = served.client.ask("/v1/attention", one)["results"]
        np.testing.assert_allclose(row["attention"]["weights"], found[:, :, 1:2], atol=1e-6)
        rolled = body | {"attention": {"kind": "rollout"}}
        (result,) = served.client.ask("/v1/attention", rolled)["results"]
        np.testing.assert_allclose(np.array(result["attention"]["weights"]).sum(-1), 1, atol=1e-5)


def test_places_are_in_the_terms_of_the_input(served: SimpleNamespace) -> None:
    def first(name: str) -> list[dict[str, Any]]:
        request = {"model": name, "inputs": cases(name)[0][0]}
        labels = served.client.ask("/v1/label", request)["results"][0]["labels"]["part"]
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
def test_what_a_model_cannot_take_is_told(
    served: SimpleNamespace, name: str, given: Any, told: str
) -> None:
    response = served.client.post("/v1/predict", {"model": name, "inputs": given})
    assert response.status_code == 422
    assert told in response.json()["detail"]
