"""Bundles in several folders: the first of a name is served, also as the folders change."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from service.bundles import look
from tests.service.conftest import Client
from tests.service.test_admin import ASK, KEY, change, put, set_version
from tests.service.test_watch import following, looks, served, until


@pytest.fixture
def bundles(tiny: SimpleNamespace, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copytree(tiny.folder, tmp_path / "bundles"))


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """An empty folder, to be listed before the other."""
    folder = tmp_path / "first"
    folder.mkdir()
    return folder


@pytest.fixture
def client(make_client: Callable[..., Client], bundles: Path, first: Path) -> Client:
    return following(make_client(bundles=(first, bundles), admin_key=KEY, watch_s=0.01))


def shadow(bundles: Path, first: Path, version: str) -> Path:
    """Another `tiny`, whole at once."""
    copy = Path(shutil.copytree(bundles / "tiny", first / ".tiny"))
    set_version(copy, version)
    return copy.rename(first / "tiny")


def test_a_bundle_in_an_earlier_folder_takes_the_place_of_a_later_one_until_it_goes(
    client: Client, bundles: Path, first: Path
) -> None:
    assert served(client) == {"tagger": "7", "tiny": "7"}
    shadowing = shadow(bundles, first, "8")
    until(client, lambda: served(client) == {"tagger": "7", "tiny": "8"})
    set_version(bundles / "tiny", "9")
    set_version(bundles / "tagger", "9")
    until(client, lambda: served(client)["tagger"] == "9")
    assert put(client, "tiny")["version"] == "8", "what is shadowed counts for nothing"
    shutil.rmtree(shadowing)
    until(client, lambda: served(client) == {"tagger": "9", "tiny": "9"})
    shutil.rmtree(bundles / "tiny")
    until(client, lambda: served(client) == {"tagger": "9"})


def test_equal_files_elsewhere_are_another_bundle(bundles: Path, first: Path) -> None:
    """Also where another file system gives them the same numbers."""
    (first / "tiny").mkdir()
    for file in (bundles / "tiny").iterdir():
        os.link(file, first / "tiny" / file.name)
    one, other = look(bundles / "tiny"), look(first / "tiny")
    assert one.files == other.files
    assert one != other


def test_a_shadowing_bundle_that_is_refused_leaves_what_was_served(
    client: Client, bundles: Path, first: Path
) -> None:
    registry = client.app.state.registry
    answer = client.ask("/v1/predict", ASK)
    os.truncate(shadow(bundles, first, "8") / "tokenizer.json", 10)
    until(client, lambda: "tiny" in registry.refused)
    assert registry.refused["tiny"].startswith("tiny/tokenizer.json has 10 bytes"), "no path"
    assert client.ask("/v1/predict", ASK) == answer
    shutil.rmtree(first / "tiny")
    until(client, lambda: "tiny" not in registry.refused)
    assert client.ask("/v1/predict", ASK) == answer


def test_an_empty_folder_in_an_earlier_one_shadows_nothing(client: Client, first: Path) -> None:
    (first / "tiny").mkdir()
    assert put(client, "tiny")["version"] == "7"
    (first / "other").mkdir()
    response = change(client, "PUT", "other")
    assert response.status_code == 422
    assert "other/manifest.json cannot be read" in response.json()["detail"]


def test_what_was_unloaded_does_not_come_back_by_a_shadow(
    client: Client, bundles: Path, first: Path
) -> None:
    assert change(client, "DELETE", "tiny").status_code == 200
    shadowing = shadow(bundles, first, "8")
    registry = client.app.state.registry
    until(client, lambda: registry.tried["tiny"] == look(shadowing))
    assert served(client) == {"tagger": "7"}
    assert put(client, "tiny")["version"] == "8"


def test_one_folder_that_goes_away_keeps_its_models_and_the_others_are_followed(
    client: Client, bundles: Path, first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow(bundles, first, "8")
    until(client, lambda: served(client)["tiny"] == "8")
    first.rename(first.parent / "elsewhere")
    set_version(bundles / "tagger", "9")
    until(client, lambda: served(client) == {"tagger": "9", "tiny": "8"})
    seen = looks(client.app.state.registry, monkeypatch)
    until(client, lambda: len(seen) == 5)
    assert served(client) == {"tagger": "9", "tiny": "8"}


def test_a_folder_that_is_itself_a_bundle_is_followed_by_its_manifests_name(
    make_client: Callable[..., Client], bundles: Path
) -> None:
    mounted = (bundles / "tiny").rename(bundles.parent / "Mounted")
    client = following(make_client(bundles=(mounted, bundles), admin_key=KEY, watch_s=0.01))
    registry = client.app.state.registry
    assert served(client) == {"tagger": "7", "tiny": "7"}
    set_version(mounted, "8")
    until(client, lambda: served(client)["tiny"] == "8")
    manifest = mounted / "manifest.json"
    content = manifest.read_bytes()
    manifest.write_bytes(content[:100])
    until(client, lambda: "tiny" in registry.refused)
    assert served(client)["tiny"] == "8", "half a manifest is not another name"
    assert registry.refused["tiny"].startswith("Mounted/manifest.json is not a manifest")
    assert change(client, "PUT", "Mounted").status_code == 404
    manifest.write_bytes(content)
    until(client, lambda: "tiny" not in registry.refused)
    rename(mounted, "twin")
    until(client, lambda: served(client) == {"tagger": "7", "twin": "8"})
    manifest.unlink()
    until(client, lambda: served(client) == {"tagger": "7"})


def rename(bundle: Path, name: str) -> None:
    path = bundle / "manifest.json"
    path.write_text(path.read_text("utf-8").replace('"name": "tiny"', f'"name": "{name}"', 1))
