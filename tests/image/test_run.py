"""Containers of the image, driven by real clients."""

import json
import shutil
import stat
from pathlib import Path

import httpx
import numpy as np
import pytest
from tritonclient import http as triton

from tests.image.conftest import Container, Run
from tests.image.engine import Engine
from tests.pages import BUNDLES
from tests.service.load import Load
from tests.service.process import ROOT, free_port, request
from tests.service.test_tls import certificate  # noqa: F401

TEXT = "play jazz"
SHUTTING_DOWN = "urn:regard:shutting-down"


def ask(container: Container, path: str, **asked: object) -> dict:
    response = request("POST", f"{container.url}{path}", json={"inputs": TEXT} | asked)
    assert response.status_code == 200, response.text
    return response.json()["results"][0]


def models(container: Container) -> dict[str, dict]:
    listed = request("GET", f"{container.url}/v1/models").json()["models"]
    return {model["name"]: model for model in listed}


@pytest.mark.parametrize("model", ["assistant", "assistant-small"])
def test_the_shipped_models_answer(served: Container, model: str) -> None:
    assert ask(served, "/v1/predict", model=model)["classes"]["intent"][0]["label"] == "PlayMusic"
    labels = [label["label"] for label in ask(served, "/v1/label", model=model)["labels"]["slots"]]
    assert labels[0] == "O" and labels[1].startswith("B-")
    attention = ask(served, "/v1/attention", model=model, attention={"layers": [-1]})["attention"]
    assert np.allclose(np.sum(attention["weights"], axis=-1), 1, atol=1e-3)


def test_a_client_of_the_open_inference_protocol_is_answered(served: Container) -> None:
    client = triton.InferenceServerClient(served.url.removeprefix("http://"))
    text = triton.InferInput("text", [1], "BYTES")
    text.set_data_from_numpy(np.array([TEXT], np.object_))
    assert client.is_model_ready("assistant")
    answer = client.infer("assistant", [text])
    assert b"PlayMusic" in answer.as_numpy("intent.labels").tolist()
    client.close()


def test_health_and_metrics_are_told(served: Container) -> None:
    ask(served, "/v1/predict")
    for probe in ("live", "started", "ready"):
        assert request("GET", f"{served.url}/health/{probe}").status_code == 200
    assert served.is_healthy()
    assert "regard_model_info{" in request("GET", f"{served.url}/metrics").text


def test_it_is_nobody_and_has_no_rights(engine: Engine, served: Container) -> None:
    told = engine("exec", served.id, "cat", "/proc/1/status").splitlines()
    status = {line.partition(":")[0]: line.split()[1:] for line in told}
    assert status["Uid"] == status["Gid"] == ["10001"] * 4
    for kind in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind][0], 16) == 0, kind
    assert status["NoNewPrivs"] == ["1"]


def test_its_log_is_lines_of_json(served: Container) -> None:
    lines = [line for line in served.logs().splitlines() if line.startswith("{")]
    assert any("loaded assistant" in json.loads(line)["message"] for line in lines)


def test_models_are_mounted_and_come_first(run: Run, tmp_path: Path) -> None:
    """One of a new name, one in place of a shipped one, and what the image is not to choose."""
    for name, version in (("another", "3"), ("assistant-small", "mounted")):
        shutil.copytree(ROOT / "bundles" / "assistant-small", tmp_path / name)
        path = tmp_path / name / "manifest.json"
        manifest = json.loads(path.read_text("utf-8"))
        manifest |= {"name": name, "version": version}
        # Listed, but not there, as what runs on a GPU alone.
        manifest["graphs"]["fp16"] = manifest["graphs"]["int8"] | {"file": "model.fp16.onnx"}
        manifest["files"]["model.fp16.onnx"] = {"sha256": "0" * 64, "bytes": 1}
        path.write_text(json.dumps(manifest), "utf-8")
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(path.stat().st_mode | stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0))
    with run(f"--volume={tmp_path}:/models:ro") as container:
        versions = {name: model["version"] for name, model in models(container).items()}
        shipped = dict.fromkeys(BUNDLES, "1")
        assert versions == shipped | {"another": "3", "assistant-small": "mounted"}
        assert ask(container, "/v1/predict", model="another")["classes"]["intent"]


def test_several_workers_need_tmp_alone_and_another_port_is_healthy(run: Run) -> None:
    with run("--tmpfs=/tmp:size=16m", port=9000, workers="2") as container:
        assert container.is_healthy()


def test_https_is_healthy_too(run: Run, certificate: tuple[Path, Path]) -> None:  # noqa: F811
    for path in certificate:
        path.chmod(0o644)
    options = [f"--volume={path}:/run/{path.name}:ro" for path in certificate]
    settings = {"ssl_certfile": "/run/cert.pem", "ssl_keyfile": "/run/key.pem"}
    with run(*options, scheme="https", **settings) as container:
        assert container.is_healthy()


def test_what_cannot_be_used_ends_the_start_with_one_line(engine: Engine, image: str) -> None:
    done = engine.start("run", "--rm", "--env=REGARD_PORT=none", image)
    assert done.returncode == 1
    assert "port" in done.stderr
    assert "Traceback" not in done.stderr


def test_at_sigterm_it_is_not_ready_but_answers_for_the_delay(run: Run) -> None:
    with run(shutdown_delay_s="3") as container:
        container.engine("kill", "--signal=TERM", container.id)
        ready = request("GET", f"{container.url}/health/ready")
        assert ready.status_code == 503
        assert ready.json()["type"] == SHUTTING_DOWN
        assert not container.is_healthy()
        assert ask(container, "/v1/predict")["classes"]
        assert container.wait() == 0


def test_stopped_under_load_it_loses_nothing(run: Run) -> None:
    """On the host's network, so that nothing else takes connections in its place."""
    with run("--network=host", port=free_port()) as container:
        with Load(container.url, keep=0, fresh=6) as load:
            load.wait(100)
            assert container.stop() == 0
        assert load.counts()[200] >= 100
        for told in load.told:
            if told.status == 503:
                assert told.body["type"] == SHUTTING_DOWN
            elif told.status != 200:
                assert isinstance(told.error, httpx.ConnectError), repr(told.error)
