"""Which bundles are served, and which are refused."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from export.bundle import BundleError, describe_file, read_manifest, write_manifest
from service.app import create_app
from service.session import cpu_quota
from service.settings import Settings
from tests.service.process import ROOT


@pytest.fixture
def bundles(tiny: SimpleNamespace, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(tiny.folder, tmp_path / "bundles"))


def edit(folder: Path, change: Callable[[dict], None]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), "utf-8")


def test_the_default_is_the_setting_or_the_first_by_name(make_client) -> None:
    assert make_client().ask("/v1/label", {"inputs": "a"})["model"] == "tiny"
    assert make_client(default_model=None).ask("/v1/label", {"inputs": "a"})["model"] == "tagger"


def test_auto_prefers_int8(make_client) -> None:
    client = make_client(precision="auto")
    assert client.get("/v1/models/tiny").json()["precision"] == "int8"


def test_folders_without_a_manifest_or_with_a_dot_first_are_passed_over(bundles: Path) -> None:
    (bundles / "notes").mkdir()
    shutil.copytree(bundles / "tiny", bundles / ".tiny.copying")
    (bundles / "tagger" / "manifest.json").unlink()
    app = create_app(Settings(bundles=bundles, threads=1))
    assert list(app.state.registry.predictors) == ["tiny"]


@pytest.mark.parametrize("file", ["model.int8.onnx", "tokenizer.json"])
def test_a_changed_byte_is_refused(bundles: Path, file: str) -> None:
    path = bundles / "tiny" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=f"{file} has sha256"):
        create_app(Settings(bundles=bundles, threads=1))


@pytest.mark.parametrize("file", ["model.int8.onnx", "tokenizer.json"])
def test_a_file_that_is_not_what_it_should_be_is_refused(bundles: Path, file: str) -> None:
    path = bundles / "tiny" / file
    path.write_bytes(b"nonsense")
    manifest = read_manifest(path.parent)
    files = manifest.files | {file: describe_file(path)}
    write_manifest(manifest.model_copy(update={"files": files}), path.parent)
    with pytest.raises(BundleError, match=file):
        create_app(Settings(bundles=bundles, threads=1))


def test_a_graph_that_is_not_as_the_manifest_says_is_refused(bundles: Path) -> None:
    def more_labels(manifest: dict) -> None:
        manifest["heads"][1]["labels"].append("j")
        manifest["outputs"][1]["axes"][-1] = 10

    edit(bundles / "tiny", more_labels)
    with pytest.raises(
        BundleError,
        match=r"model.int8.onnx has the output intent .* 9\]; the manifest says .* 10\]",
    ):
        create_app(Settings(bundles=bundles, threads=1))


def test_several_folders_and_bundles_are_served_and_the_first_of_a_name(
    bundles: Path, tmp_path: Path
) -> None:
    mounted = Path(shutil.copytree(bundles / "tiny", tmp_path / "Mounted"))
    edit(mounted, lambda manifest: manifest.update(version="8"))

    def served(*folders: Path) -> dict[str, str]:
        given = os.pathsep.join(map(str, folders))
        predictors = create_app(Settings(bundles=given, threads=1)).state.registry.predictors
        return {name: predictor.manifest.version for name, predictor in predictors.items()}

    assert served(mounted) == {"tiny": "8"}
    assert served(mounted, bundles) == {"tagger": "7", "tiny": "8"}
    assert served(bundles, mounted) == {"tagger": "7", "tiny": "7"}
    assert served(bundles / "tagger", mounted) == {"tagger": "7", "tiny": "8"}
    (tmp_path / "empty").mkdir()
    assert served(tmp_path / "empty", mounted) == {"tiny": "8"}


def test_a_broken_bundle_is_not_passed_over_for_a_later_one(bundles: Path, tmp_path: Path) -> None:
    first = tmp_path / "first"
    shutil.copytree(bundles / "tiny", first / "tiny")
    (first / "tiny" / "tokenizer.json").unlink()
    with pytest.raises(BundleError, match=r"first/tiny/tokenizer.json cannot be read"):
        create_app(Settings(bundles=(first, bundles), threads=1))
    (first / "tiny" / "manifest.json").write_text("{", "utf-8")
    with pytest.raises(BundleError, match=r"first/tiny/manifest.json is not a manifest"):
        create_app(Settings(bundles=(first / "tiny", bundles), threads=1))


def test_a_folder_is_named_as_its_bundle(bundles: Path) -> None:
    shutil.copytree(bundles / "tiny", bundles / "twin")
    with pytest.raises(BundleError, match="twin: its manifest is of tiny; name the folder so"):
        create_app(Settings(bundles=bundles, threads=1))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bundles": "/nowhere"}, "/nowhere is no folder that can be read: No such file"),
        ({"bundles": f"{ROOT}:/nowhere"}, "/nowhere is no folder"),
        ({"bundles": str(ROOT / "regard.py")}, "regard.py is no folder .*: Not a directory"),
        ({"default_model": "huge"}, "huge is not among"),
        ({"precision": "fp16"}, "no fp16 graph"),
    ],
)
def test_settings_that_do_not_fit_the_bundles_are_refused(
    tiny: SimpleNamespace, values: dict[str, str], message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        create_app(Settings(**{"bundles": tiny.folder, "threads": 1} | values))


@pytest.mark.parametrize(
    ("content", "expected"),
    [("max 100000", 4), ("200000 100000", 2), ("50000 100000", 1), ("900000 100000", 4), (None, 4)],
)
def test_threads_are_what_the_control_group_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, expected: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(4)))
    path = tmp_path / "cpu.max"
    if content is not None:
        path.write_text(content + "\n", "ascii")
    assert cpu_quota(path) == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, 4), ({"workers": 3}, 1), ({"workers": 9}, 1), ({"workers": 3, "threads": 2}, 2)],
)
def test_workers_share_the_threads(
    make_client, monkeypatch: pytest.MonkeyPatch, settings: dict[str, int], expected: int
) -> None:
    monkeypatch.setattr("service.registry.cpu_quota", lambda: 4)
    session = make_client(**{"threads": 0} | settings).app.state.registry.get("tiny")._session
    assert session._runner.session.get_session_options().intra_op_num_threads == expected
