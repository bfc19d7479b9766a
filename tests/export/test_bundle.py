import json
import os
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


def test_what_is_longer_or_shorter_than_listed_is_refused_unread(
    bundle: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(bundle, tmp_path / "copy")
    manifest = read_manifest(copy)
    for name, size in (("model.int8.onnx", 2**40), ("tokenizer.json", 3), ("tokenizer.json", 0)):
        os.truncate(copy / name, size)  # the first would not fit into memory
        listed = manifest.files[name].bytes
        with pytest.raises(
            BundleError, match=rf"{name} has {size} bytes; the manifest says {listed}$"
        ):
            read_file(manifest, copy, name)
    os.truncate(copy / "manifest.json", 2**40)
    with pytest.raises(
        BundleError, match=r"manifest.json has 1099511627776 bytes; at most 4194304"
    ):
        read_manifest(copy)


@pytest.mark.parametrize("name", ["manifest.json", "tokenizer.json"])
def test_what_is_no_regular_file_is_refused(bundle: Path, tmp_path: Path, name: str) -> None:
    manifest = read_manifest(bundle)
    path = Path(shutil.copytree(bundle, tmp_path / "copy")) / name

    def read() -> None:
        read_manifest(path.parent)
        read_file(manifest, path.parent, name)

    path.rename(tmp_path / name)
    path.symlink_to(tmp_path / name)  # the very contents that are expected
    with pytest.raises(BundleError, match=f"{name} cannot be read: it is a symbolic link"):
        read()
    path.unlink()
    os.mkfifo(path)  # to be read, would wait for a writer
    with pytest.raises(BundleError, match=f"{name} is not a regular file"):
        read()
    path.unlink()
    path.mkdir()
    with pytest.raises(BundleError, match=f"{name} is not a regular file"):
        read()


def test_the_folder_itself_may_be_a_link(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(bundle)
    manifest = read_manifest(tmp_path / "link")
    assert read_file(manifest, tmp_path / "link", "tokenizer.json")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: m.pop("heads"), "heads: Field required"),
        (lambda m: m.update(extra=1), "extra: Extra inputs are not permitted"),
        (lambda m: m.update(schema_version=0), "not a manifest: schema_version: Input should be 2"),
        (lambda m: m.update(schema_version="3"), "a manifest: schema_version: Input should be 2"),
        (lambda m: m["outputs"].reverse(), "the rest asks for"),
        (lambda m: m["outputs"].pop(), "output 3 is None; the rest asks for attention.1"),
        (
            lambda m: m["heads"][1]["labels"].append("more"),
            r"intent float32\(batch, 3\); the rest asks for intent float32\(batch, 4\)",
        ),
        (lambda m: m["outputs"][0]["axes"].reverse(), r"slots float32\(5, length, batch\); the"),
        (lambda m: m["inputs"].reverse(), r"input 0 is valid bool\(batch, length\); the"),
        (lambda m: m["attention"].update(layers=10**9), "attention.layers: Input should be less"),
        (lambda m: m.update(max_length=10**7), "max_length: Input should be less than or equal"),
        (lambda m: m.update(max_length=8193), "max_length is 8193; without a window at most 8192"),
        (lambda m: m.update(max_length=0), "max_length: Input should be greater than or equal"),
        (lambda m: m["test"].update(f1=float("nan")), "test.f1: Input should be a finite number"),
        (lambda m: m["files"].pop("model.int8.onnx"), r"files has no entry for \['model.int8.onnx"),
        (
            lambda m: m["files"]["model.int8.onnx"].update(bytes=2**40),
            "bytes: Input should be less",
        ),
        (lambda m: m["files"]["tokenizer.json"].update(bytes=2**30), "more than 67108864"),
        (
            lambda m: m["files"].update({"../x": m["files"]["tokenizer.json"]}),
            "String should match",
        ),
        (lambda m: m["graphs"]["int8"].update(file="../../x"), "graphs.int8.file: String should"),
        (lambda m: m["graphs"]["int8"].update(file="/etc/passwd"), "graphs.int8.file: String"),
        (lambda m: m.update({"a\nb\x1b[2J" + "x" * 5000: 1}), r"a b \[2Jxxx"),
    ],
)
def test_a_wrong_manifest_is_refused_with_its_field(bundle, tmp_path, change, told) -> None:
    raw = json.loads((bundle / "manifest.json").read_text("utf-8"))
    change(raw)
    (tmp_path / "manifest.json").write_text(json.dumps(raw), "utf-8")
    with pytest.raises(BundleError, match=told) as caught:
        read_manifest(tmp_path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) <= 1000


@pytest.mark.parametrize("schema", [3, 10**9])
def test_a_manifest_of_a_later_schema_is_refused_as_such(bundle, tmp_path, schema: int) -> None:
    """Whatever else is in it that this version does not know."""
    raw = json.loads((bundle / "manifest.json").read_text("utf-8"))
    raw |= {"schema_version": schema, "modality": "smell", "new": {}}
    del raw["attention"]
    (tmp_path / "manifest.json").write_text(json.dumps(raw), "utf-8")
    told = f"manifest.json is of schema {schema}; this Regard reads schema 2: upgrade Regard$"
    with pytest.raises(BundleError, match=told):
        read_manifest(tmp_path)


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
