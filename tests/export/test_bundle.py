import json
import shutil
from pathlib import Path

import pytest

from export.bundle import BundleError, Manifest, read_file, read_manifest, write_manifest


def test_a_written_manifest_reads_back_equal(bundle: Path, tmp_path: Path) -> None:
    manifest = read_manifest(bundle)
    write_manifest(manifest, tmp_path)
    assert read_manifest(tmp_path) == manifest


def test_every_listed_file_is_there_and_nothing_else(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    assert {path.name for path in bundle.iterdir()} == {*manifest.files, "manifest.json"}
    for name, file in manifest.files.items():
        assert len(read_file(manifest, bundle, name)) == file.bytes


def test_a_changed_byte_is_refused(bundle: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bundle, tmp_path / "copy")
    manifest = read_manifest(copy)
    path = copy / manifest.graphs["int8"].file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"int8.onnx has sha256 \w{64}; the manifest says"):
        read_file(manifest, copy, path.name)


def test_a_missing_or_unlisted_file_is_refused(bundle: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(bundle, tmp_path / "copy")
    (copy / "tokenizer.json").unlink()
    with pytest.raises(BundleError, match=r"tokenizer.json cannot be read"):
        read_file(read_manifest(copy), copy, "tokenizer.json")
    with pytest.raises(BundleError, match=r"lists no file \.\./other"):
        read_file(read_manifest(copy), copy, "../other")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: m.pop("heads"), "heads: Field required"),
        (lambda m: m.update(extra=1), "extra: Extra inputs are not permitted"),
        (lambda m: m.update(schema_version=2), "schema_version: Input should be 1"),
        (lambda m: m["outputs"].reverse(), "heads and attention ask for"),
        (lambda m: m["files"].pop("model.int8.onnx"), r"files has no entry for \['model.int8.onnx"),
        (lambda m: m["graphs"]["int8"].update(file="../../x"), "graphs.int8.file: String should"),
    ],
)
def test_a_wrong_manifest_is_refused_with_its_field(bundle, tmp_path, change, told) -> None:
    raw = json.loads((bundle / "manifest.json").read_text("utf-8"))
    change(raw)
    (tmp_path / "manifest.json").write_text(json.dumps(raw), "utf-8")
    with pytest.raises(BundleError, match=told) as caught:
        read_manifest(tmp_path)
    assert "\n" not in str(caught.value)


def test_no_manifest_is_told_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"manifest.json cannot be read: No such file"):
        read_manifest(tmp_path)


def test_measured_accuracy_of_each_precision_is_in_the_manifest(bundle: Path) -> None:
    manifest: Manifest = read_manifest(bundle)
    assert set(manifest.graphs) == {"fp32", "fp16", "int8"}
    for graph in manifest.graphs.values():
        assert set(graph.dev) == {
            "slots.accuracy",
            "slots.f1",
            "intent.accuracy",
            "exact_match",
        }
