"""A typed client, made from the OpenAPI document by openapi-python-client, talks to the service."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.app import create_app
from service.settings import Settings
from tests.pages import BUNDLES
from tests.service.process import ROOT, serving

REQUIREMENTS = Path(__file__).with_name("client.txt")

USE = """
import json, sys
from regard_client import AuthenticatedClient, Client
from regard_client.api.default import (
    attention_v1_attention_post, classify_v1_classify_post, label_v1_label_post,
    load_v1_models_name_put, models_v1_models_get, predict_v1_predict_post,
    ready_health_ready_get,
)
from regard_client.models import (
    Answer, AttentionOptions, AttentionRequest, ClassifyRequest, LabelRequest, Options,
    PredictRequest, Problem, Words,
)

client = Client(base_url=sys.argv[1])
told = {}

answer = predict_v1_predict_post.sync(
    client=client, body=PredictRequest(inputs=["play jazz", Words(words=["play", "jazz"])])
)
assert isinstance(answer, Answer)
told["words"] = [[label.text for label in result.labels["slots"]] for result in answer.results]
told["span"] = answer.results[0].spans["slots"][0].to_dict()

answer = label_v1_label_post.sync(client=client, body=LabelRequest(inputs="play jazz"))
told["labels"] = [label.label for label in answer.results[0].labels["slots"]]

answer = classify_v1_classify_post.sync(
    client=client, body=ClassifyRequest(inputs="play jazz", options=Options(top_k=2))
)
told["classes"] = [one.label for one in answer.results[0].classes["intent"]]

answer = attention_v1_attention_post.sync(
    client=client,
    body=AttentionRequest(
        inputs="play jazz", attention=AttentionOptions(layers=[0, -1], heads="mean")
    ),
    x_request_timeout=20.0,
)
attention = answer.results[0].attention
told["attention"] = [len(attention.weights), len(attention.weights[0]), len(attention.positions)]
told["sums"] = [round(sum(row), 3) for row in attention.weights[0][0]]

told["models"] = [model.name for model in models_v1_models_get.sync(client=client).models]
told["health"] = ready_health_ready_get.sync(client=client).status

problem = predict_v1_predict_post.sync_detailed(
    client=client, body=PredictRequest(inputs=" "), x_request_id="mine"
)
assert isinstance(problem.parsed, Problem)
told["problem"] = [int(problem.status_code), problem.parsed.type_, problem.parsed.errors[0].loc]
told["id"] = problem.headers["x-request-id"]

admin = AuthenticatedClient(base_url=sys.argv[1], token="ADMIN")
told["loaded"] = load_v1_models_name_put.sync("assistant-small", client=admin).name
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    """Of a Python that has the generator, and the client that it made."""
    folder = tmp_path_factory.mktemp("client")
    tools, document = folder / "tools", folder / "openapi.json"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run(
        [*pip, "--no-deps", "--target", tools, "--requirement", REQUIREMENTS], check=True
    )
    document.write_text(json.dumps(create_app(Settings(), load=False).openapi()))
    paths = os.pathsep.join(map(str, (tools, folder / "made")))
    path = os.pathsep.join((str(tools / "bin"), os.environ["PATH"]))
    made = os.environ | {"PYTHONPATH": paths, "PATH": path}
    generate = [sys.executable, "-m", "openapi_python_client", "generate"]
    done = subprocess.run(
        [*generate, "--path", document, "--output-path", folder / "made"],
        env=made,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # All that it cannot do is to send lines; endpoints that take them take requests, too.
    assert done.stderr.count("WARNING") == 1
    assert "Unsupported content type application/x-ndjson" in done.stderr
    return made


def test_a_generated_client_asks_and_understands(environment: dict[str, str]) -> None:
    with serving(ROOT / "bundles", admin_key="ADMIN") as (_, url):
        done = subprocess.run(
            [sys.executable, "-c", USE, url],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["span"].pop("score") > 0.5
    assert told == {
        "words": [["play", "jazz"], ["play", "jazz"]],
        "span": {"text": "jazz", "start": 5, "end": 9, "label": "genre"},
        "labels": ["O", "B-genre"],
        "classes": ["PlayMusic", "AddToPlaylist"],
        "attention": [2, 1, 4],
        "sums": [1.0] * 4,
        "models": BUNDLES,
        "health": "ready",
        "problem": [422, "urn:regard:invalid-input", ["inputs"]],
        "id": "mine",
        "loaded": "assistant-small",
    }
