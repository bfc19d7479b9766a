"""Bundles whose hashes are right and whose contents are not: each is refused with its reason."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest
from onnx import helper

from export.bundle import BundleError, describe_file
from service.app import create_app
from service.settings import Settings
from tests.service.conftest import MAX_LENGTH

GRAPHS = ("model.fp32.onnx", "model.int8.onnx")


@pytest.fixture
def bundle(tiny: SimpleNamespace, tmp_path: Path) -> Path:
    """A copy of `tiny` that may be changed."""
    return Path(shutil.copytree(tiny.folder / "tiny", tmp_path / "bundles" / "tiny"))


def edit(bundle: Path, change: Callable[[dict], object]) -> None:
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), "utf-8")


def replace(bundle: Path, name: str, content: bytes) -> None:
    """Change a file, and its hash in the manifest."""
    (bundle / name).write_bytes(content)
    listed = describe_file(bundle / name).model_dump()
    edit(bundle, lambda manifest: manifest["files"].update({name: listed}))


def edit_graph(bundle: Path, name: str, change: Callable[[onnx.GraphProto], object]) -> None:
    model = onnx.load(bundle / name)
    change(model.graph)
    replace(bundle, name, model.SerializeToString())


def edit_tokenizer(bundle: Path, change: Callable[[dict], object]) -> None:
    tokenizer = json.loads((bundle / "tokenizer.json").read_text("utf-8"))
    change(tokenizer)
    replace(bundle, "tokenizer.json", json.dumps(tokenizer).encode())


def refused(bundle: Path, told: str, **settings: str) -> None:
    with pytest.raises(BundleError, match=told) as caught:
        create_app(Settings(bundles=bundle.parent, threads=1, **settings))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) <= 1000


def test_an_edited_bundle_that_is_right_is_not_refused(bundle: Path) -> None:
    edit_graph(bundle, "model.int8.onnx", lambda graph: None)
    edit_tokenizer(bundle, lambda tokenizer: None)
    create_app(Settings(bundles=bundle.parent, threads=1))


@pytest.mark.parametrize("location", ["weights.bin", "./weights.bin", "../weights.bin", "{folder}"])
def test_a_graph_that_refers_to_a_file_is_refused_and_the_file_is_not_read(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    """The file is there, with the right contents, wherever onnxruntime might look for it."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    def externalise(graph: onnx.GraphProto) -> None:
        largest = max(graph.initializer, key=lambda tensor: len(tensor.raw_data))
        for folder in (tmp_path, work, bundle, bundle.parent):
            (folder / "weights.bin").write_bytes(largest.raw_data)
        largest.ClearField("raw_data")
        largest.data_location = onnx.TensorProto.EXTERNAL
        place = location.format(folder=tmp_path / "weights.bin")
        largest.external_data.add(key="location", value=place)

    edit_graph(bundle, "model.int8.onnx", externalise)
    refused(bundle, "model.int8.onnx is no graph that can be run: .*xternal data")


def test_a_graph_in_another_format_than_onnx_is_refused(bundle: Path) -> None:
    replace(bundle, "model.int8.onnx", b"\x18\x00\x00\x00ORTM" + bytes(100))
    refused(bundle, "model.int8.onnx is no graph that can be run: .*protobuf parsing failed")


def more_positions(graph: onnx.GraphProto) -> None:
    """Give `intent` for two rows more than there are; its declared shape stays."""
    for node in graph.node:
        for place, output in enumerate(node.output):
            if output == "intent":
                node.output[place] = "intent.true"
    graph.node.append(helper.make_node("Concat", ["intent.true"] * 3, ["intent"], axis=0))


@pytest.mark.parametrize("name", GRAPHS)
def test_computed_shapes_must_be_the_manifests_whatever_the_graph_declares(
    bundle: Path, name: str
) -> None:
    edit_graph(bundle, name, more_positions)
    precision = name.split(".")[1]
    told = r"for 1 x 41 positions the graph gives intent \(3, 9\); the manifest says intent"
    refused(bundle, told, precision=precision)


@pytest.mark.parametrize("name", GRAPHS)
def test_a_tokenizer_with_more_ids_than_the_embedding_has_rows_is_refused(
    bundle: Path, name: str
) -> None:
    def add(tokenizer: dict) -> None:
        vocabulary = tokenizer["model"]["vocab"]
        vocabulary["##zzz"] = len(vocabulary)

    edit_tokenizer(bundle, add)
    refused(bundle, f"{name} fails: .*out of (data )?bounds", precision=name.split(".")[1])


@pytest.mark.parametrize("batch", ["20", "512"])
def test_more_positions_than_the_graph_knows_are_refused(bundle: Path, batch: str) -> None:
    """Also where the largest batch would not show it."""
    edit(bundle, lambda manifest: manifest.update(max_length=MAX_LENGTH + 1))
    refused(bundle, "model.int8.onnx fails: .*41 by 42", max_batch_positions=batch)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t["model"]["vocab"].pop("[CLS]"), r"the tokenizer has no \[CLS\]"),
        (lambda t: t["model"].update(unk_token="[NONE]"), r"Missing \[UNK\] token"),
        (lambda t: t.update(model={"type": "Tiny"}), "tokenizer.json cannot be used"),
        (
            lambda t: t.update(
                normalizer={"type": "Precompiled", "precompiled_charsmap": "BAAAAP////8AAA=="}
            ),
            "index out of bounds",  # a panic, not an exception
        ),
    ],
)
def test_a_tokenizer_that_fails_on_some_text_is_refused(
    bundle: Path, change: Callable[[dict], object], told: str
) -> None:
    edit_tokenizer(bundle, lambda tokenizer: (tokenizer.update(added_tokens=[]), change(tokenizer)))
    refused(bundle, told)


def test_a_tokenizer_that_the_manifest_does_not_list_is_refused(bundle: Path) -> None:
    edit(bundle, lambda manifest: manifest["files"].pop("tokenizer.json"))
    refused(bundle, "the manifest lists no file tokenizer.json")
