"""Live, started, ready: three answers; and what is told to whoever comes too early or too late."""

import asyncio
import signal
from types import SimpleNamespace

import httpx
import pytest

from service.app import create_app
from service.settings import Settings
from tests.service.process import PATIENCE_S, free_port, serving

ASK = {"inputs": "noon"}
WAIT = """
import sys
from service.registry import Registry
from service.server import serve
from service.settings import Settings

load_all = Registry.load_all

def load_when_told(self, *arguments):
    sys.stdin.readline()
    load_all(self, *arguments)

Registry.load_all = load_when_told
serve(Settings())
"""


def health(http: httpx.Client) -> dict[str, int | str]:
    """Status, or the problem's name, by path."""
    found: dict[str, int | str] = {}
    for name in ("live", "started", "ready"):
        response = http.get(f"/health/{name}")
        if response.status_code == 200:
            assert response.json() == {"status": name}
            found[name] = 200
        else:
            found[name] = problem(response)
    return found


def problem(response: httpx.Response) -> str:
    """The name of the problem, which must be one that says when to come again."""
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert int(response.headers["retry-after"]) >= 1
    return response.json()["type"].removeprefix("urn:regard:")


def test_the_port_is_open_while_models_are_loaded(tiny: SimpleNamespace) -> None:
    settings = {"port": str(free_port()), "admin_key": "k"}
    with (
        serving(tiny.folder, WAIT, wait=False, **settings) as (process, url),
        httpx.Client(
            base_url=url, transport=httpx.HTTPTransport(retries=20), timeout=PATIENCE_S
        ) as http,
    ):
        assert health(http) == {"live": 200, "started": "loading", "ready": "loading"}
        assert problem(http.post("/v1/predict", json=ASK)) == "loading"
        assert problem(http.get("/v1/models/tiny")) == "loading"
        key = {"authorization": "Bearer k"}
        assert problem(http.put("/v1/models/tiny", headers=key)) == "loading"
        assert problem(http.delete("/v1/models/tiny", headers=key)) == "loading"
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith(f"Regard at {url} serves tagger, tiny")
        assert health(http) == {"live": 200, "started": 200, "ready": 200}
        assert http.post("/v1/predict", json=ASK).status_code == 200
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr.read() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_models_are_loaded_ends_in_peace(tiny: SimpleNamespace, number: int) -> None:
    port = str(free_port())
    with (
        serving(tiny.folder, WAIT, wait=False, port=port) as (process, url),
        httpx.Client(
            base_url=url, transport=httpx.HTTPTransport(retries=20), timeout=PATIENCE_S
        ) as http,
    ):
        assert health(http)["started"] == "loading"
        process.send_signal(number)
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.wait(PATIENCE_S) == 0
        assert process.stdout.read() == ""
        assert process.stderr.read() == ""


def test_without_a_model_it_has_started_and_is_not_ready(make_client, tmp_path) -> None:
    client = make_client(bundles=tmp_path, default_model=None)
    assert client.get("/health/started").status_code == 200
    assert problem(client.get("/health/ready")) == "no-model"


def test_whoever_leaves_serves_on_and_whoever_drains_refuses(make_client) -> None:
    client = make_client()
    client.app.state.lifecycle.leaving = True
    assert problem(client.get("/health/ready")) == "shutting-down"
    assert client.get("/health/live").status_code == client.get("/health/started").status_code
    assert client.ask("/v1/predict", ASK)
    client.app.state.lifecycle.draining.set()
    for response in (client.post("/v1/predict", ASK), client.get("/v1/models")):
        assert problem(response) == "shutting-down"
        assert response.headers["connection"] == "close"
    assert client.get("/health/live").status_code == 200
    page = client.get("/metrics").text
    assert 'regard_problems_total{type="shutting-down"} 3.0' in page


def test_a_request_that_has_begun_is_answered_though_draining_begins(make_client) -> None:
    client = make_client()

    async def body():
        yield b'{"inputs": '
        client.app.state.lifecycle.draining.set()
        yield b'"noon"}'

    assert client.run(client.http.post("/v1/predict", content=body())).status_code == 200


def test_a_refused_body_is_read_but_no_further_than_any_may_be(make_client) -> None:
    client = make_client(max_body_bytes=1000)
    client.app.state.lifecycle.draining.set()
    for chunks, expected in ((5, 5), (1000, 11)):
        read = []

        async def body(chunks: int = chunks, read: list[int] = read):
            for index in range(chunks):
                read.append(index)
                yield b" " * 100

        response = client.run(client.http.post("/v1/predict", content=body()))
        assert problem(response) == "shutting-down"
        assert len(read) == expected


def test_loading_in_place_is_the_same(tiny: SimpleNamespace) -> None:
    app = create_app(Settings(bundles=tiny.folder, threads=1), load=False)
    registry = app.state.registry
    assert registry.predictors == {}
    registry.load_all()
    assert list(registry.predictors) == ["tagger", "tiny"]
    asyncio.run(registry.close())
