"""kserve, in an environment of its own: ours holds other versions of what it needs."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.environments import install
from tests.service.conftest import torch_outputs

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def found(request: pytest.FixtureRequest, url: str) -> dict[str, Any]:
    """What its client got."""
    python = install(request.config.cache, HERE / "kserve.txt") / "python"
    command = [python, HERE / "kserve_client.py", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def test_kserve_sees_what_is_ready(found) -> None:
    assert found["live"] is found["ready"] is found["model_ready"] is True
    assert found["huge_ready"] is False


def test_kserve_gets_what_v1_answers(client, found) -> None:
    texts = ["book a table for two in new york", "noon"]
    answers = client.ask("/v1/predict", {"inputs": texts})["results"]
    words = [word for answer in answers for word in answer["labels"]["slots"]]
    for got in (found["json"], found["binary"]):
        assert got["slots.labels"] == [word["label"] for word in words]
        assert got["slots.scores"] == pytest.approx([w["score"] for w in words], abs=1e-5)
        assert got["offsets"] == [[word["start"], word["end"]] for word in words]
        assert got["intent.labels"] == [a["classes"]["intent"][0]["label"] for a in answers]
        assert "attention" not in got


def test_kserve_gets_logits_and_attention(tiny, found) -> None:
    for got in (found["raw"], found["raw_json"]):
        assert np.shape(got["slots"]) == (2, 3, 6)
        assert got["slots"][1][2] == [0] * 6
    assert found["raw"]["intent"] == pytest.approx(np.array(found["raw_json"]["intent"]), abs=1e-5)
    weights = np.array(found["attention"]["attention"])
    _, network = torch_outputs(tiny, "noon")
    size = network.weights[0].shape[-1]
    for layer, expected in enumerate(network.weights):
        mean = expected[0].mean(0).numpy()
        np.testing.assert_allclose(weights[1, layer, 0, :size, :size], mean, atol=1e-4)


def test_kserve_shows_what_is_wrong(found) -> None:
    assert found["no_text"].startswith("inputs.text.0: no visible character in the input")
    assert "'400 Bad Request'" in found["no_text"]
    assert "no model 'huge'; there are tagger, tiny, '404 Not Found'" in found["no_model"]
