"""Models are loaded, reloaded and unloaded while others are asked."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from service import predictor
from service.encode import encode
from service.keys import AdminKey
from service.settings import Settings
from tests.service.conftest import Client

KEY = "correct horse battery staple"
ASK = {"inputs": "book a table"}


@pytest.fixture
def bundles(tiny: SimpleNamespace, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copytree(tiny.folder, tmp_path / "bundles"))


@pytest.fixture
def client(make_client: Callable[..., Client], bundles: Path) -> Client:
    return make_client(bundles=bundles, admin_key=KEY)


def change(client: Client, method: str, name: str, key: str | None = KEY) -> httpx.Response:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    return client.run(client.http.request(method, f"/v1/models/{name}", headers=headers))


def put(client: Client, name: str) -> Any:
    response = change(client, "PUT", name)
    assert response.status_code == 200, response.text
    return response.json()


def problem(response: httpx.Response, status: int) -> tuple[str, str]:
    assert response.status_code == status
    return response.json()["type"].removeprefix("urn:regard:"), response.json()["detail"]


def set_version(bundle: Path, version: str) -> None:
    path = bundle / "manifest.json"
    path.write_text(path.read_text("utf-8").replace('"version": "7"', f'"version": "{version}"'))


def info(client: Client) -> set[str]:
    """What the metrics say is served."""
    lines = client.get("/metrics").text.splitlines()
    return {
        line for line in lines if line.startswith("regard_model_info{") and line.endswith("1.0")
    }


def test_without_a_key_nobody_may(make_client: Callable[..., Client]) -> None:
    for method in ("PUT", "DELETE"):
        name, detail = problem(change(make_client(), method, "tiny"), 403)
        assert name == "forbidden"
        assert "REGARD_ADMIN_KEY is not set" in detail


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, "is missing"),
        ({"authorization": "Bearer wrong"}, "not the admin key"),
        ({"authorization": f"Bearer {KEY}x"}, "not the admin key"),
        ({"authorization": b"Bearer \xff\xfe"}, "not the admin key"),
        ({"authorization": f"Basic {KEY}"}, "is missing"),
        ({"authorization": KEY}, "is missing"),
    ],
)
def test_a_wrong_key_is_refused(client: Client, headers: dict, told: str) -> None:
    for method in ("PUT", "DELETE"):
        request = client.http.request(method, "/v1/models/tiny", headers=headers)
        response = client.run(request)
        name, detail = problem(response, 401)
        assert name == "unauthorized"
        assert told in detail
        assert KEY not in response.text
        assert response.headers["www-authenticate"] == "Bearer"
    assert client.get("/v1/models/tiny").status_code == 200


def test_the_key_is_compared_by_all_of_it() -> None:
    key = AdminKey(Settings(admin_key="schlüssel"))
    key.check("schlüssel".encode().decode("latin-1"))  # as it comes out of the header


def test_the_key_may_be_in_a_file(make_client, bundles: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    client = make_client(bundles=bundles, admin_key_file=tmp_path / "key")
    assert put(client, "tiny")["name"] == "tiny"


@pytest.mark.parametrize(("content", "told"), [(None, "No such file"), ("\n", "is empty")])
def test_a_key_file_that_holds_no_key_ends_the_start(
    tmp_path: Path, content: str | None, told: str
) -> None:
    if content is not None:
        (tmp_path / "key").write_text(content)
    with pytest.raises(ValueError, match=told):
        AdminKey(Settings(admin_key_file=tmp_path / "key"))


def test_a_new_version_takes_the_place_of_the_old(client: Client, bundles: Path) -> None:
    set_version(bundles / "tiny", "8")
    before = info(client)
    assert client.ask("/v1/predict", ASK)["version"] == "7"
    described = put(client, "tiny")
    assert described == client.get("/v1/models/tiny").json()
    assert described["version"] == "8"
    assert client.ask("/v1/predict", ASK)["version"] == "8"
    now = {
        line.replace('version="7"', 'version="8"') if "tiny" in line else line for line in before
    }
    assert info(client) == now


def test_a_new_bundle_is_served_beside_the_others(client: Client, bundles: Path) -> None:
    shutil.copytree(bundles / "tiny", bundles / "twin")
    path = bundles / "twin" / "manifest.json"
    path.write_text(path.read_text("utf-8").replace('"name": "tiny"', '"name": "twin"', 1))
    assert client.post("/v1/predict", ASK | {"model": "twin"}).status_code == 404
    assert put(client, "twin")["default"] is False
    assert [model["name"] for model in client.get("/v1/models").json()["models"]] == [
        *("tagger", "tiny", "twin")
    ]
    twin = client.ask("/v1/predict", ASK | {"model": "twin"})
    assert twin["results"] == client.ask("/v1/predict", ASK)["results"]


def test_a_refused_bundle_changes_nothing_and_is_told(client: Client, bundles: Path) -> None:
    answer = client.ask("/v1/predict", ASK)
    path = bundles / "tiny" / "tokenizer.json"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    name, detail = problem(change(client, "PUT", "tiny"), 422)
    assert name == "bundle-refused"
    assert detail == f"{path} has {len(content) - 1} bytes; the manifest says {len(content)}"
    assert client.ask("/v1/predict", ASK) == answer
    told = client.get("/v1/models/tiny").json()["refused"]
    assert f"{bundles}/{told}" == detail
    path.write_bytes(content)
    assert "refused" not in put(client, "tiny")


def test_what_was_never_served_is_told_why(client: Client, bundles: Path) -> None:
    (bundles / "empty").mkdir()
    name, detail = problem(change(client, "PUT", "empty"), 422)
    assert name == "bundle-refused"
    assert "manifest.json cannot be read" in detail
    name, detail = problem(client.get("/v1/models/empty"), 404)
    assert name == "unknown-model"
    assert "refused: empty/manifest.json cannot be read" in detail


@pytest.mark.parametrize(
    "name", ["huge", "..", "%2e%2e", ".hidden", "..%2fbundles", "Tiny", "x%00"]
)
def test_a_name_is_no_path(client: Client, bundles: Path, name: str) -> None:
    shutil.copytree(bundles / "tiny", bundles / ".hidden")
    assert change(client, "PUT", name).status_code == 404
    assert change(client, "DELETE", name).status_code == 404
    assert len(client.get("/v1/models").json()["models"]) == 2


def test_an_unloaded_model_is_unknown_until_it_is_loaded_again(client: Client) -> None:
    response = change(client, "DELETE", "tiny")
    assert response.json() == {"unloaded": "tiny"}
    assert problem(client.post("/v1/predict", ASK | {"model": "tiny"}), 404)[0] == "unknown-model"
    assert problem(client.post("/v1/predict", ASK), 404)[0] == "unknown-model"  # the default one
    assert problem(change(client, "DELETE", "tiny"), 404)[0] == "unknown-model"
    assert client.ask("/v1/label", ASK | {"model": "tagger"})
    assert len(info(client)) == 1
    assert put(client, "tiny")["default"] is True
    assert client.ask("/v1/predict", ASK)


def test_without_a_default_model_the_first_that_is_left_answers(make_client, bundles) -> None:
    client = make_client(bundles=bundles, admin_key=KEY, default_model=None)
    assert client.ask("/v1/label", ASK)["model"] == "tagger"
    change(client, "DELETE", "tagger")
    assert client.ask("/v1/label", ASK)["model"] == "tiny"
    change(client, "DELETE", "tiny")
    assert problem(client.post("/v1/label", ASK), 503)[0] == "no-model"
    assert problem(client.get("/health/ready"), 503)[0] == "no-model"
    put(client, "tagger")
    assert client.get("/health/ready").status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_request_that_has_the_old_model_is_answered_by_it(
    client: Client, bundles: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits off the event loop, to be encoded, when the model is taken away."""
    registry = client.app.state.registry
    old = registry.get("tiny")
    set_version(bundles / "tiny", "8")
    encoding, taken = asyncio.Event(), asyncio.Event()

    async def scenario() -> tuple[dict, httpx.Response]:
        loop = asyncio.get_running_loop()

        def wait(*arguments: Any) -> Any:
            loop.call_soon_threadsafe(encoding.set)
            asyncio.run_coroutine_threadsafe(taken.wait(), loop).result(30)
            return encode(*arguments)

        monkeypatch.setattr(predictor, "encode", wait)
        long = {"inputs": ["noon " * 30] * 30}  # characters enough to go to another thread
        asked = asyncio.create_task(client.http.post("/v1/predict", json=long))
        await encoding.wait()
        headers = {"authorization": f"Bearer {KEY}"}
        change = client.http.request(method, "/v1/models/tiny", headers=headers)
        changing = asyncio.create_task(change)
        while registry.predictors.get("tiny") is old:
            await asyncio.sleep(0)
        assert not changing.done(), "it waits for the request"
        taken.set()
        return (await asked).json(), await changing

    answer, changed = client.run(scenario())
    assert answer["version"] == "7"
    assert len(answer["results"]) == 30
    assert changed.status_code == 200


def test_changes_come_one_after_the_other(client: Client) -> None:
    registry = client.app.state.registry
    building: list[str] = []
    build = registry._build

    def watch(name: str, folder: Path, nice: int) -> Any:
        assert building == []
        building.append(name)
        try:
            return build(name, folder, nice)
        finally:
            building.remove(name)

    registry._build = watch

    async def many() -> None:
        names = ["tiny", "tagger", "tiny", "tagger"]
        loaded = await asyncio.gather(*map(registry.load, names))
        assert [one.manifest.name for one in loaded] == names
        assert registry.predictors == {"tagger": loaded[3], "tiny": loaded[2]}

    client.run(many())
    assert client.ask("/v1/predict", ASK)
