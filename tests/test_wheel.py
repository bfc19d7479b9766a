"""The wheel, built, installed in a new environment and used from an empty folder."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.pages import BUNDLES
from tests.service.process import PATIENCE_S, QUIET, ROOT, post, read_url, request

PACKED = ("bundles", "export", "model", "service", "regard.py")
BESIDE = ("pyproject.toml", "README.md", "LICENSE")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
INDEX_BYTES = 100 * 2**20  # what PyPI takes
ASK = b'{"inputs": "will it rain in rome"}'


def build(folder: Path) -> Path:
    """What `make wheel` does, on a copy of the sources."""
    source = folder / "source"
    for name in (*PACKED, *BESIDE):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        source.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, source]
    subprocess.run(command, check=True, env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000"})
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what serving needs."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    constraints = ROOT / "constraints.txt"
    command = [folder / "bin/pip", "install", "-q", "-c", constraints, f"{wheel}[cpu]"]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> dict:
    """How a program is run in an empty folder, with nothing set."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("REGARD_")}
    ours.pop("PYTHONPATH", None)
    return {"cwd": tmp_path, "env": ours | QUIET | {"COLUMNS": "200"}, "text": True}


def run(outside: dict, *command: object, given: str = "") -> str:
    done = subprocess.run(
        [*map(str, command)], input=given, capture_output=True, check=False, **outside
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_holds_the_packages_and_the_bundles_whole_and_nothing_else(wheel: Path) -> None:
    about = f"regard-{VERSION}.dist-info"
    assert wheel.name == f"regard-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        entries = file.read(f"{about}/entry_points.txt").decode()
    sources = [ROOT / name for name in PACKED]
    files = [file for source in sources for file in (source, *source.rglob("*")) if file.is_file()]
    ours = {str(file.relative_to(ROOT)) for file in files if "__pycache__" not in file.parts}
    assert {name for name in names if not name.startswith(about)} == ours
    assert "regard = regard:main" in entries
    assert wheel.stat().st_size < INDEX_BYTES


def test_equal_sources_give_equal_bytes(wheel: Path, tmp_path: Path) -> None:
    hashes = {hashlib.sha256(path.read_bytes()).digest() for path in (wheel, build(tmp_path))}
    assert len(hashes) == 1


def test_the_command_works_outside_the_repository(installed: Path, outside: dict) -> None:
    regard = installed / "bin/regard"
    assert run(outside, regard, "--version") == f"{VERSION}\n"
    listed = run(outside, regard, "models")
    assert re.search(r"assistant\W+1\W", listed)
    assert re.search(r"assistant-small\W+1\W", listed)
    answer = json.loads(run(outside, regard, "predict", "assistant", given="rain in rome"))
    assert answer["results"][0]["classes"]["intent"][0]["label"] == "GetWeather"
    missing = "import importlib.util as u; print([u.find_spec(n) for n in ('torch', 'onnx')])"
    assert run(outside, installed / "bin/python", "-c", missing) == "[None, None]\n"


def test_it_serves_the_shipped_bundles_and_every_page(installed: Path, outside: dict) -> None:
    outside["env"] |= {"REGARD_PORT": "0"}
    command = [installed / "bin/regard", "serve"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, **outside) as process:
        try:
            url = read_url(process)
            served = [
                model["name"] for model in request("GET", f"{url}/v1/models").json()["models"]
            ]
            assert served == BUNDLES
            (result,) = post(f"{url}/v1/predict", ASK)["results"]
            assert result["classes"]["intent"][0]["label"] == "GetWeather"
            for path in ("/", "/docs", "/explorer/main.js", "/openapi.json"):
                assert request("GET", url + path).status_code == 200, path
            document = request("GET", f"{url}/openapi.json").json()
            assert document["info"]["version"] == VERSION
            assert document["paths"]["/v1/predict"]["post"]["responses"]["200"]
            assert request("GET", f"{url}/v2").json()["version"] == VERSION
            process.terminate()
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
        assert process.stderr.read() == ""
    assert list(outside["cwd"].iterdir()) == [], "it leaves nothing where it ran"


def test_the_changelog_tells_of_this_version_first() -> None:
    headings = re.findall(r"^## \[(.*?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    assert headings[0] == VERSION
