"""The app behind Ray Serve's proxy answers as it does without."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import yaml

from service.settings import Settings
from tests.service.conftest import TEXTS
from tests.service.process import PATIENCE_S, ROOT, connect, free_port

CONFIG = ROOT / "deploy" / "ray" / "serve.yaml"
CHECK = """
import sys, yaml
from ray.serve.schema import ServeDeploySchema
from service.ray_app import app
config = ServeDeploySchema.model_validate(yaml.safe_load(open(sys.argv[1])), extra="forbid")
(application,) = config.applications
(deployment,) = application.deployments
assert deployment.name == app._bound_deployment.name
print(app._bound_deployment._deployment_config.graceful_shutdown_timeout_s)
"""


def until(found: Callable[[], Any]) -> Any:
    """What is found at last."""
    end = time.monotonic() + 5 * PATIENCE_S  # Ray starts a dozen processes
    while time.monotonic() < end:
        if result := found():
            return result
        time.sleep(0.1)
    raise TimeoutError


@pytest.fixture(scope="module")
def url(cluster: SimpleNamespace, tiny: SimpleNamespace, tmp_path_factory) -> Iterator[str]:
    """The address of the configuration we ship, but for its port and its bundles."""
    config = yaml.safe_load(CONFIG.read_text())
    config["http_options"] = {"host": "127.0.0.1", "port": free_port()}
    (deployment,) = config["applications"][0]["deployments"]
    deployment["ray_actor_options"]["runtime_env"]["env_vars"] = {
        "REGARD_BUNDLES": str(tiny.folder),
        "REGARD_DEFAULT_MODEL": "tiny",
        "REGARD_PRECISION": "fp32",
        "REGARD_MAX_BATCH_POSITIONS": "100",
    }
    file: Path = tmp_path_factory.mktemp("ray") / "serve.yaml"
    file.write_text(yaml.safe_dump(config))

    def run() -> bool:
        command = [cluster.programs / "serve", "run", "--non-blocking", file]
        done = subprocess.run(command, env=cluster.env, capture_output=True, check=False)
        return done.returncode == 0

    until(run)
    address = f"http://127.0.0.1:{config['http_options']['port']}"
    until(lambda: ready(address))
    yield address


def ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health/ready", timeout=PATIENCE_S).status_code == 200
    except httpx.TransportError:
        return False


def test_the_configuration_is_one_of_ray_and_leaves_time_to_drain(environment: Path) -> None:
    command = [environment / "python", "-c", CHECK, CONFIG]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > Settings().drain_s


def post(url: str, path: str, content: object, **headers: str) -> httpx.Response:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return httpx.post(url + path, content=body, headers=headers, timeout=PATIENCE_S)


@pytest.mark.parametrize(
    ("path", "content", "headers"),
    [
        ("/v1/predict", {"inputs": TEXTS}, {}),
        ("/v1/attention", {"inputs": "noon"}, {}),
        ("/v1/attention", {"inputs": TEXTS}, {"Accept": "application/vnd.safetensors"}),
        ("/v1/predict", {"inputs": 3}, {}),
        ("/v1/predict", b"{", {}),
        ("/v1/nothing", {}, {}),
        ("/v1/predict", {"inputs": "a" * 30_000}, {}),
        ("/v1/predict", {"inputs": "noon"}, {"X-Request-Timeout": "0.000001"}),
        ("/v2/models/tagger/infer", {"inputs": []}, {}),
        ("/hf/tagger", {"inputs": "noon"}, {}),
        (
            "/v1/predict",
            b'"noon"\n{"wrong": 1}\n{"words": ["at", "noon"]}\n',
            {"Content-Type": "application/x-ndjson"},
        ),
    ],
)
def test_it_answers_as_the_plain_app(client, url: str, path, content, headers) -> None:
    here, there = client.post(path, content, **headers), post(url, path, content, **headers)
    assert there.status_code == here.status_code
    assert there.headers["content-type"] == here.headers["content-type"]
    assert there.content == here.content


def test_the_id_of_a_request_comes_back_once(url: str) -> None:
    answer = post(url, "/v1/predict", {"inputs": "noon"}, **{"X-Request-Id": "mine"})
    assert answer.headers.get_list("x-request-id") == ["mine"]


def test_lines_are_answered_while_more_of_them_come(url: str) -> None:
    with connect(url) as client:
        client.sendall(
            b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\n"
            b'Transfer-Encoding: chunked\r\n\r\n7\r\n"noon"\n\r\n'
        )
        answer = client.makefile("rb")
        assert b" 200 " in answer.readline()
        while b"results" not in answer.readline():
            pass
        client.sendall(b'7\r\n"rain"\n\r\n0\r\n\r\n')
        while b"results" not in answer.readline():
            pass


def test_who_hangs_up_is_noted(url: str) -> None:
    with connect(url) as client:
        client.sendall(
            b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\n"
            b'Transfer-Encoding: chunked\r\n\r\n7\r\n"noon"\n\r\n'
        )
        assert b" 200 " in client.makefile("rb").readline()
    until(lambda: 'type="client-left"' in httpx.get(f"{url}/metrics", timeout=PATIENCE_S).text)
