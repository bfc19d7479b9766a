"""What is served, what is ready, and what is said of it, from the start to the end."""

import asyncio
import gzip
import json
import shutil
import threading
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.oip import infer
from service.settings import Settings
from tests.service.oip.wire import text

KEY = "the-key"
ADMIN = {"authorization": f"Bearer {KEY}"}
NOON = {"inputs": [text("noon")]}


@pytest.fixture
def own(make_client, tiny, tmp_path) -> Any:
    """A client of an app whose bundles are its own."""
    shutil.copytree(tiny.folder, tmp_path / "bundles")
    return make_client(bundles=tmp_path / "bundles", admin_key=KEY, watch_s=0)


def index(client, content: object = b"") -> list[dict]:
    response = client.post("/v2/repository/index", content)
    assert response.status_code == 200
    return response.json()


def change(client, name: str, action: str, content: object = b"") -> httpx.Response:
    return client.post(f"/v2/repository/models/{name}/{action}", content, **ADMIN)


def test_the_index_lists_what_is_served_and_what_is_not(own) -> None:
    tagger = {"name": "tagger", "version": "7", "state": "READY", "reason": ""}
    served = {"name": "tiny", "version": "7", "state": "READY", "reason": ""}
    assert index(own) == index(own, {}) == index(own, {"ready": True}) == [tagger, served]
    assert own.get("/v2/models").json() == {"models": ["tagger", "tiny"]}
    response = change(own, "tiny", "unload", {"parameters": {"unload_dependents": False}})
    assert response.json() == {"name": "tiny", "unload": True}
    gone = {"name": "tiny", "state": "UNAVAILABLE", "reason": "it was unloaded"}
    assert index(own) == index(own, {"ready": False}) == [tagger, gone]
    assert index(own, {"ready": True}) == [tagger]
    response = own.get("/v2/models/tiny/ready")
    assert response.status_code == 503
    assert response.json()["error"] == "tiny is not served: it was unloaded"
    assert change(own, "tiny", "load", {}).json() == {"name": "tiny", "load": True}
    assert own.get("/v2/models/tiny/ready").json() == {"name": "tiny", "ready": True}
    assert index(own) == [tagger, served]
    assert own.ask("/v2/models/tiny/infer", NOON)


def test_a_bundle_that_is_refused_says_why(own, tmp_path) -> None:
    graph = tmp_path / "bundles" / "tiny" / "model.fp32.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])
    response = change(own, "tiny", "load")
    assert response.status_code == 400
    assert "model.fp32.onnx has" in response.json()["error"]
    (entry,) = [entry for entry in index(own) if entry["name"] == "tiny"]
    assert entry["state"] == "READY", "the one before it is served still"
    assert "model.fp32.onnx has" in entry["reason"]
    change(own, "tiny", "unload")
    change(own, "tiny", "load")
    (entry,) = [entry for entry in index(own) if entry["name"] == "tiny"]
    assert entry["state"] == "UNAVAILABLE"
    assert "model.fp32.onnx has" in entry["reason"]


def test_a_bundle_that_is_being_loaded_says_so(own, monkeypatch) -> None:
    registry = own.app.state.registry
    change(own, "tiny", "unload")
    build, began, go_on = registry._build, threading.Event(), threading.Event()

    def wait(*arguments: Any) -> Any:
        began.set()
        assert go_on.wait(20)
        return build(*arguments)

    monkeypatch.setattr(registry, "_build", wait)

    async def look() -> list[httpx.Response]:
        path = "/v2/repository/models/tiny/load"
        loading = asyncio.create_task(own.http.post(path, headers=ADMIN))
        await asyncio.to_thread(began.wait, 20)
        found = [
            await own.http.post("/v2/repository/index"),
            await own.http.get("/v2/models/tiny/ready"),
        ]
        go_on.set()
        return [*found, await loading]

    listed, ready, loaded = own.run(look())
    assert listed.json()[1] == {"name": "tiny", "state": "LOADING", "reason": ""}
    assert ready.status_code == 503
    assert loaded.status_code == 200
    assert index(own)[1]["state"] == "READY"


def test_a_request_that_is_being_read_is_answered_by_the_model_it_found(own, monkeypatch) -> None:
    read, began, go_on = infer._read, threading.Event(), threading.Event()

    def wait(*arguments: Any) -> Any:
        began.set()
        assert go_on.wait(20)
        return read(*arguments)

    monkeypatch.setattr(infer, "_read", wait)
    registry = own.app.state.registry
    old = registry.get("tiny")

    async def reload() -> list[httpx.Response]:
        content = gzip.compress(json.dumps(NOON).encode())  # so it is read in a thread
        headers = {"content-encoding": "gzip"}
        post = own.http.post
        asked = asyncio.create_task(post("/v2/models/tiny/infer", content=content, headers=headers))
        await asyncio.to_thread(began.wait, 20)
        loading = asyncio.create_task(post("/v2/repository/models/tiny/load", headers=ADMIN))
        while registry.get("tiny") is old:
            await asyncio.sleep(0.01)
        go_on.set()
        return [await asked, await loading]

    assert [response.status_code for response in own.run(reload())] == [200, 200]


def test_health_is_told_from_the_start_to_the_end(tiny, make_client) -> None:
    client = make_client()

    def statuses() -> list[int]:
        paths = ("/v2/health/live", "/v2/health/ready", "/v2", "/v2/models/tiny/ready")
        return [client.get(path).status_code for path in paths]

    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"live": True, "ready": True}
    assert statuses() == [200, 200, 200, 200]
    lifecycle = client.app.state.lifecycle
    lifecycle.leaving = True
    assert statuses() == [200, 503, 200, 200]
    lifecycle.draining.set()
    assert statuses() == [200, 503, 503, 503]
    response = client.post("/v2/models/tiny/infer", NOON)
    assert response.status_code == 503
    assert response.json()["error"] == "the service is being stopped"
    lifecycle.leaving = False
    lifecycle.draining.clear()

    async def before_loading() -> list[httpx.Response]:
        app = create_app(Settings(bundles=tiny.folder), load=False)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            answers = [
                await http.get("/v2/health/live"),
                await http.get("/v2/health/ready"),
                await http.post("/v2/repository/index"),
                await http.get("/v2/models/tiny/ready"),
                await http.post("/v2/models/tiny/infer", json=NOON),
            ]
        await app.state.registry.close()
        return answers

    live, *others = asyncio.run(before_loading())
    assert live.status_code == 200
    for response in others:
        assert response.status_code == 503
        assert response.json()["error"] == "the models are being loaded"
        assert response.headers["retry-after"]


def test_health_alone_needs_no_key(make_client) -> None:
    client = make_client(api_keys="web:KEY")
    assert client.get("/v2/health/live").status_code == 200
    assert client.get("/v2/health/ready").status_code == 200
    for response in (
        client.get("/v2"),
        client.get("/v2/models/tiny"),
        client.post("/v2/models/tiny/infer", NOON),
    ):
        assert response.status_code == 401
        assert "a key is missing" in response.json()["error"]
    answered = client.post("/v2/models/tiny/infer", NOON, authorization="Bearer KEY")
    assert answered.status_code == 200


def test_a_full_queue_says_when_to_come_back(make_client) -> None:
    client = make_client(max_queue_positions=15, max_request_positions=15)

    async def flood() -> list[httpx.Response]:
        post = client.http.post
        texts = {"inputs": [text("noon noon")]}
        return await asyncio.gather(*(post("/v2/models/tiny/infer", json=texts) for _ in range(30)))

    refused = [response for response in client.run(flood()) if response.status_code != 200]
    assert 1 < len(refused) < 30
    for response in refused:
        assert response.status_code == 429
        assert "are waiting" in response.json()["error"]
        assert int(response.headers["retry-after"]) >= 1


def test_a_bug_is_told_as_all_else_is(client, monkeypatch) -> None:
    session = client.app.state.registry.get("tiny")._session
    with monkeypatch.context() as patched:
        patched.setattr(session, "run", lambda *_: 1 / 0)
        response = client.post("/v2/models/tiny/infer", NOON)
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/json"
    assert "a bug of the service" in response.json()["error"]
    assert client.ask("/v2/models/tiny/infer", NOON)
