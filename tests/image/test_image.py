"""What is in the image, and what is said of it."""

import json
import os
import re
import struct
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.image.engine import BASE, Engine
from tests.service.process import ROOT

PACKAGES = "opt/regard/lib/python3.11/site-packages"
NOT_FOR_SERVING = {"torch", "onnx", "transformers", "huggingface_hub", "pytest", "pip"}
OF_THE_REPOSITORY = {"tests", "bench", "recipes", "Dockerfile", ".git"}
COMPILERS = {"gcc", "g++", "cc", "cc1", "clang", "ld", "make", "cargo", "rustc"}
OF_RAY = {"parts", "ray_app", "ray_data"}  # modules that the image cannot import
LICENCES = ROOT / "docs" / "licences.md"


@pytest.fixture(scope="module")
def files(
    engine: Engine, image: str, base: str, tmp_path_factory: pytest.TempPathFactory
) -> SimpleNamespace:
    """all: every file by its path; added: paths that the base does not have; archive: of all."""
    folder = tmp_path_factory.mktemp("files")
    found = {}
    for name in (base, image):
        made = engine("create", name)
        archive = folder / f"{len(found)}.tar"
        engine("export", "--output", archive, made)
        engine("rm", made)
        with tarfile.open(archive) as tar:
            found[name] = {member.name.removeprefix("./"): member for member in tar}
    added = found[image].keys() - found[base].keys()
    return SimpleNamespace(all=found[image], added=added, archive=archive)


@pytest.fixture(scope="module")
def sbom(engine: Engine, image: str) -> Iterator[Path]:
    """As `make sbom` writes it, in the environment of these tests as it is."""
    ours = ["-o", f"{sys.prefix}/installed", f"DEV={sys.prefix}"]
    command = ["make", *ours, "sbom", f"DOCKER={engine.name}", f"IMAGE={image}"]
    environment = os.environ | engine.environment
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    path = ROOT / "regard.cdx.json"
    yield path
    path.unlink()


def test_it_says_how_it_is_run_and_what_it_is(engine: Engine, image: str) -> None:
    config = engine.inspect(image)["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["regard"] and config["Cmd"] == ["serve"]
    assert list(config["ExposedPorts"]) == ["8000/tcp"]
    assert not config.get("Volumes")
    labels = config["Labels"]
    said = {key: labels[f"org.opencontainers.image.{key}"] for key in ("title", "licenses")}
    assert said == {"title": "Regard", "licenses": "Apache-2.0 AND CC-BY-SA-3.0 AND CC-BY-SA-4.0"}
    assert labels["org.opencontainers.image.description"]
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.M)
    assert labels["org.opencontainers.image.version"] == version[1]
    assert re.fullmatch("[0-9a-f]{40}", labels["org.opencontainers.image.revision"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}Z", labels["org.opencontainers.image.created"])


def test_it_is_small(engine: Engine, image: str, base: str) -> None:
    sizes = [engine.inspect(name)["Size"] / 1e6 for name in (image, base)]
    assert sizes[0] - sizes[1] <= 230
    if base == BASE:
        assert sizes[0] <= 350


def test_it_holds_nothing_that_serving_does_not_need(files: SimpleNamespace) -> None:
    inside = len(Path(PACKAGES).parts)
    packages = {Path(path).parts[inside] for path in files.added if f"{PACKAGES}/" in path}
    assert {"service", "numpy", "onnxruntime"} <= packages
    assert packages & NOT_FOR_SERVING == set()
    assert [path for path in files.added if OF_THE_REPOSITORY & {*Path(path).parts}] == []
    programs = {Path(path).name for path in files.all if Path(path).parent.name == "bin"}
    assert {"regard", "python3"} <= programs
    assert programs & COMPILERS == set()
    assert [path for path in files.added if path.endswith((".fp16.onnx", ".whl"))] == []
    assert [path for path in files.added if path.startswith(("root/", "tmp/", "build/"))] == []


def test_nothing_in_it_belongs_to_who_runs_it_or_to_all(files: SimpleNamespace) -> None:
    for path in files.added:
        member = files.all[path]
        assert (member.uid, member.gid) == (0, 0), path
        assert member.issym() or not member.mode & 0o002, path


def test_what_serving_imports_is_compiled(files: SimpleNamespace) -> None:
    """And by what is there: else Python would compile it again at every start."""
    ours = [path for path in files.added if re.match(rf"{PACKAGES}/service/.*\.py$", path)]
    wanted = [path for path in ours if Path(path).stem not in OF_RAY]
    assert len(wanted) > 50
    with tarfile.open(files.archive) as tar:
        for path in [*wanted, f"{PACKAGES}/numpy/__init__.py", f"{PACKAGES}/fastapi/routing.py"]:
            source = Path(path)
            compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-311.pyc"
            head = tar.extractfile(files.all[str(compiled)]).read(16)
            flags, changed, size = struct.unpack("<4xIII", head)
            assert (flags, changed, size) == (0, files.all[path].mtime, files.all[path].size), path
    standard = [
        path for path in files.all if path.endswith("/asyncio/__pycache__/tasks.cpython-311.pyc")
    ]
    assert standard, "the standard library's, which the base does not have"


def test_the_licences_are_those_of_its_packages(engine: Engine, image: str) -> None:
    code = (ROOT / "deploy" / "image" / "licences.py").read_text("utf-8")
    written = engine("run", "--rm", "--entrypoint=python", image, "-c", code)
    assert LICENCES.read_text("utf-8") == written + "\n"


def test_its_bill_of_materials_names_every_package(sbom: Path) -> None:
    listed = json.loads(sbom.read_text("utf-8"))["components"]
    packages = {(one["name"], one.get("version")) for one in listed}
    rows = re.findall(r"^\| ([a-z][\w-]+) \| (\d\S*) \|", LICENCES.read_text("utf-8"), re.M)
    assert len(rows) > 30
    assert {(name, version) for name, version in rows} <= packages
    assert any(one.get("purl", "").startswith("pkg:deb/debian/libc6@") for one in listed)
