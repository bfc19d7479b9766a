"""What is served follows the disk."""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from service.bundles import Bundles, Found, look
from service.watch import watch
from tests.service.conftest import Client
from tests.service.test_admin import ASK, KEY, change, put, set_version

PATIENCE_S = 30


@pytest.fixture
def bundles(tiny: SimpleNamespace, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copytree(tiny.folder, tmp_path / "bundles"))


@pytest.fixture
def client(make_client: Callable[..., Client], bundles: Path) -> Client:
    return following(make_client(bundles=bundles, admin_key=KEY, watch_s=0.01))


def following(client: Client) -> Client:
    """It follows changes on disk from now on."""

    async def start() -> None:
        client.app.state.registry.watch()

    client.run(start())
    return client


def until(client: Client, true: Callable[[], bool]) -> None:
    """Let the service run until it is so."""

    async def wait() -> None:
        while not true():
            await asyncio.sleep(0.002)

    client.run(asyncio.wait_for(wait(), PATIENCE_S))


def served(client: Client) -> dict[str, str]:
    """Version by name."""
    predictors = client.app.state.registry.predictors
    return {name: predictor.manifest.version for name, predictor in predictors.items()}


def test_a_look_changes_with_every_file_and_is_of_bundles_only(bundles: Path) -> None:
    seen = {look(bundles / "tiny")}
    (bundles / "tiny" / "README.md").write_text("a card")
    seen.add(look(bundles / "tiny"))
    set_version(bundles / "tiny", "8")
    seen.add(look(bundles / "tiny"))
    os.utime(bundles / "tiny" / "tokenizer.json", (1, 1))
    seen.add(look(bundles / "tiny"))
    os.replace(shutil.copy2(bundles / "tagger/manifest.json", bundles / "copy"), bundles / "tiny/x")
    seen.add(look(bundles / "tiny"))
    assert len(seen) == 5
    (bundles / "tiny" / "manifest.json").unlink()
    assert look(bundles / "tiny") is None is look(bundles / "nothing")
    shutil.copytree(bundles / "tagger", bundles / ".tagger")
    assert list(Bundles([bundles]).scan()) == ["tagger"]


def test_what_changes_at_every_look_is_let_alone_until_it_rests(bundles: Path) -> None:
    """As while it is being copied."""
    told: list[tuple[str, Found | None]] = []
    file = bundles / "tiny" / "model.int8.onnx"

    class Follower:
        tried = Bundles([bundles]).scan()

        async def follow(self, name: str, found: Found | None) -> None:
            told.append((name, found))
            self.tried[name] = found

    class Growing(Follower):
        looks = 0

        @property
        def tried(self) -> dict[str, Found]:
            self.looks += 1
            if self.looks < 40:
                with file.open("ab") as copied:
                    copied.write(b"more")
            return super().tried

    async def run() -> None:
        stop = asyncio.Event()
        watching = asyncio.create_task(watch(Growing(), Bundles([bundles]), 0.001, stop))
        async with asyncio.timeout(PATIENCE_S):
            while not told:
                await asyncio.sleep(0.002)
        stop.set()
        await watching

    size = file.stat().st_size
    asyncio.run(run())
    assert told == [("tiny", look(bundles / "tiny"))]
    assert file.stat().st_size == size + 39 * 4


def test_new_changed_and_removed_bundles(client: Client, bundles: Path, tmp_path: Path) -> None:
    assert served(client) == {"tagger": "7", "tiny": "7"}
    shutil.move(bundles / "tagger", tmp_path / "tagger")
    until(client, lambda: served(client) == {"tiny": "7"})
    set_version(bundles / "tiny", "8")
    until(client, lambda: served(client) == {"tiny": "8"})
    assert client.ask("/v1/predict", ASK)["version"] == "8"
    shutil.move(tmp_path / "tagger", bundles / "tagger")
    until(client, lambda: served(client) == {"tagger": "7", "tiny": "8"})


def test_half_a_bundle_is_refused_and_tried_again_when_there_is_more(
    client: Client, bundles: Path, tmp_path: Path
) -> None:
    registry = client.app.state.registry
    whole = Path(shutil.copytree(bundles / "tiny", tmp_path / "tiny"))
    set_version(whole, "8")
    answer = client.ask("/v1/predict", ASK)
    shutil.copy(whole / "manifest.json", bundles / "tiny")
    os.truncate(bundles / "tiny" / "tokenizer.json", 10)
    until(client, lambda: "tokenizer.json has 10 bytes" in registry.refused.get("tiny", ""))
    assert client.ask("/v1/predict", ASK) == answer
    assert "tokenizer.json has 10 bytes" in client.get("/v1/models/tiny").json()["refused"]
    shutil.copy(whole / "tokenizer.json", bundles / "tiny")
    until(client, lambda: served(client)["tiny"] == "8")
    assert "refused" not in client.get("/v1/models/tiny").json()
    assert client.ask("/v1/predict", ASK) == answer | {"version": "8"}


def test_what_was_unloaded_does_not_come_back_by_a_change(client: Client, bundles: Path) -> None:
    assert change(client, "DELETE", "tiny").status_code == 200
    set_version(bundles / "tiny", "8")
    set_version(bundles / "tagger", "9")
    until(client, lambda: served(client) == {"tagger": "9"})
    registry = client.app.state.registry
    until(client, lambda: registry.tried["tiny"] == look(bundles / "tiny"))
    assert served(client) == {"tagger": "9"}
    assert put(client, "tiny")["version"] == "8"
    shutil.copytree(bundles / "tagger", bundles / "tiny", dirs_exist_ok=True)
    until(client, lambda: "tiny" in client.app.state.registry.refused)  # it is a tagger now
    assert served(client) == {"tagger": "9", "tiny": "8"}


def looks(registry: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Found]]:
    """What is seen from now on, look by look."""
    seen: list[dict[str, Found]] = []
    scan = registry._bundles.scan
    monkeypatch.setattr(registry._bundles, "scan", lambda: seen.append(scan()) or seen[-1])
    return seen


def test_when_the_whole_folder_goes_away_the_models_stay(
    client: Client, bundles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles.rename(bundles.parent / "elsewhere")
    seen = looks(client.app.state.registry, monkeypatch)
    until(client, lambda: len(seen) == 5)
    assert served(client) == {"tagger": "7", "tiny": "7"}
    (bundles.parent / "elsewhere").rename(bundles)
    set_version(bundles / "tiny", "8")
    until(client, lambda: served(client)["tiny"] == "8")
