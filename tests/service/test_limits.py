"""Limits of every modality at their edges; what is too much is found before it takes anything."""

import base64
import io
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from model.preprocess.audio import decode
from service import inputs, results
from service.inputs import A_FILE, size_of
from service.raw import Raw
from service.schemas import Audio, Graph, Image, Vectors, Words
from service.settings import Settings
from tests.service.conftest import Client
from tests.service.modalities import MODALITIES, RATE, cases, sound
from tests.service.oip.wire import tensor

LONGEST = 60 * RATE // 50  # samples, 20 ms to a position


def silence(samples: int, rate: int = RATE, form: str = "FLAC") -> dict[str, str]:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(samples, np.int16), rate, format=form)
    return {"audio": base64.b64encode(file.getvalue()).decode()}


def ring(nodes: int, edges: int) -> dict[str, Any]:
    """Each node is tied to the next one, then to the one after that, and so on."""
    ties = [[i % nodes, (i + 1 + i // nodes) % nodes] for i in range(edges)]
    return {"nodes": [[0.5] * 5] * nodes, "edges": ties}


def loops(edges: int) -> dict[str, Any]:
    """For /v2: one node, that often tied to itself."""
    return {
        "inputs": [
            tensor("vectors", "FP32", [1, 1, 5], [0.5] * 5),
            tensor("edges", "INT64", [1, edges, 2], [0] * 2 * edges),
            tensor("valid", "BOOL", [1, 1], [True]),
        ]
    }


@pytest.mark.parametrize(
    ("name", "most", "more", "told"),
    [
        ("sound", silence(LONGEST), silence(LONGEST + 1), "longer than 1.2 s"),
        ("sound", silence(52_920, 44_100), silence(52_921, 44_100), "longer than 1.2 s"),
        ("sound", silence(57_600, 48_000), silence(57_601, 48_000), "longer than 1.2 s"),
        ("sound", silence(9, 4000, "WAV"), silence(9, 3999, "WAV"), "3999 Hz; allowed are 4000"),
        ("vectors", {"vectors": [[0.5] * 5] * 60}, {"vectors": [[0.5] * 5] * 61}, "61 positions"),
        ("graph", ring(59, 0), ring(60, 0), "60 positions; at most 59"),  # and a hub
        ("graph", ring(21, 68), ring(21, 69), "202 edges, counted both ways"),
        ("word", "ab" * 15, "ab" * 15 + "c", "31 letters; 1 to 30 are allowed"),
    ],
)
def test_as_much_as_allowed_and_one_more(
    sources, name: str, most: Any, more: Any, told: str
) -> None:
    sources.ask("/v1/predict", {"model": name, "inputs": most})
    response = sources.post("/v1/predict", {"model": name, "inputs": [most, more]})
    assert response.status_code == 422
    assert told in response.json()["detail"]
    assert response.json()["errors"][0]["loc"] == ["inputs", 1]


def test_as_many_edges_as_allowed_and_one_more_as_the_graph_takes_them(sources) -> None:
    path = "/v2/models/graph/infer"
    assert sources.post(path, loops(200)).status_code == 200
    response = sources.post(path, loops(201))
    assert response.status_code == 400
    assert "201 edges; 1 to 200 are allowed" in response.json()["error"]


@pytest.fixture
def narrow(modalities: SimpleNamespace) -> Iterator[Client]:
    """Takes a hundred positions in a request, and three inputs."""
    limits = {"max_request_positions": 100, "max_inputs": 3}
    made = Client(Settings(bundles=modalities.folder, precision="fp32", threads=1, **limits))
    yield made
    made.close()


@pytest.fixture
def decoded(monkeypatch) -> list[threading.Thread]:
    """The threads in which sounds were decoded."""
    threads = []

    def look(data: bytes, longest_s: float) -> Any:
        threads.append(threading.current_thread())
        return decode(data, longest_s)

    monkeypatch.setattr(inputs, "decode", look)
    return threads


def test_no_more_files_are_read_than_a_request_may_have_positions(narrow, decoded) -> None:
    given = [silence(LONGEST)] * 3
    response = narrow.post("/v1/predict", {"model": "sound", "inputs": given})
    assert response.status_code == 413
    assert "more than the 100 positions over all inputs" in response.json()["detail"]
    assert len(decoded) == 2
    given = [silence(LONGEST)] * 4
    response = narrow.post("/v1/predict", {"model": "sound", "inputs": given})
    assert "4 inputs; at most 3 are allowed" in response.json()["detail"]
    assert len(decoded) == 2


def test_no_more_files_are_read_when_the_deadline_is_over(sources, monkeypatch) -> None:
    read = []

    def slow(data: bytes, longest_s: float) -> Any:
        read.append(data)
        time.sleep(0.2)
        return decode(data, longest_s)

    monkeypatch.setattr(inputs, "decode", slow)
    request = {"model": "sound", "inputs": [silence(100)] * 9}
    response = sources.post("/v1/predict", request, **{"x-request-timeout": "0.1"})
    assert response.status_code == 504
    assert len(read) == 1


def test_files_are_read_off_the_event_loop_however_small(sources, decoded) -> None:
    loop = sources.run(current_thread())
    sources.ask("/v1/predict", {"model": "sound", "inputs": silence(1)})
    data = [tensor("audio", "BYTES", [1], [silence(1)["audio"]])]
    assert sources.post("/v2/models/sound/infer", {"inputs": data}).status_code == 200
    assert len(decoded) == 2
    assert loop not in decoded


def test_transcripts_are_found_off_the_event_loop(sources, monkeypatch) -> None:
    loop, threads, greedy = sources.run(current_thread()), [], results.greedy

    def look(logits: Any) -> Any:
        threads.append(threading.current_thread())
        return greedy(logits)

    monkeypatch.setattr(results, "greedy", look)
    sources.ask("/v1/transcribe", {"model": "word", "inputs": "cab"})
    data = [tensor("text", "BYTES", [1], ["cab"])]
    assert sources.post("/v2/models/word/infer", {"inputs": data}).status_code == 200
    assert len(threads) == 2
    assert loop not in threads


async def current_thread() -> threading.Thread:
    return threading.current_thread()


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ("noon", 4),
        (["at", "noon"], 6),
        (Words(words=["at", "noon"]), 6),
        (Vectors(vectors=[[1.0, 2.0]] * 3), 6),
        (Graph(nodes=[[1.0]] * 3, edges=[[0, 1]] * 50), 103),
        (Audio(audio=""), A_FILE),
        (Image(image=""), A_FILE),
        (b"", A_FILE),
        (Raw({"vectors": np.zeros((3, 5)), "edges": np.zeros((9, 2), int)}), 33),
    ],
)
def test_what_is_given_weighs_all_that_is_in_it(given: Any, size: int) -> None:
    assert size_of(given) == size


@pytest.mark.parametrize("sample", [np.nan, np.inf, 17.0])
def test_samples_that_are_no_sound_are_told(sources, sample: float) -> None:
    samples = np.zeros(900, np.float32)
    samples[500] = sample
    response = sources.post("/v1/predict", {"model": "sound", "inputs": {"audio": sound(samples)}})
    assert response.status_code == 422
    assert "every sample must be a number from -16 to 16" in response.json()["detail"]


@pytest.mark.parametrize("name", MODALITIES)
def test_attention_of_a_line_is_as_of_a_request(sources, name: str) -> None:
    asked = {"model": name, "inputs": cases(name)[1][0], "attention": {"layers": "all"}}
    lines = sources.post("/v1/predict", asked, **{"content-type": "application/x-ndjson"})
    assert lines.json() == sources.ask("/v1/predict", asked)
