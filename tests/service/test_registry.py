"""Which bundles are served, and which are refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from export.bundle import BundleError, describe_file, read_manifest, write_manifest
from service.app import create_app
from service.session import cpu_quota
from service.settings import Settings


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


def test_a_folder_is_named_as_its_bundle(bundles: Path) -> None:
    shutil.copytree(bundles / "tiny", bundles / "twin")
    with pytest.raises(BundleError, match="twin: its manifest is of tiny; name the folder so"):
        create_app(Settings(bundles=bundles, threads=1))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bundles": "/nowhere"}, "no folder"),
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
