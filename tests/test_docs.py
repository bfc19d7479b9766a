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

import pytest

from service.settings import Settings

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = {
    "bash": ["bash", "-c"],
    "python": [sys.executable, "-c"],
    "javascript": ["node", "--input-type=module", "-e"],
}
SCORE = 0.02
FRACTION = re.compile(r"\d+\.\d+")


def blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text("utf-8"))


def examples() -> list[tuple[str, str, str, str]]:
    """(page, language, program, answer) of each program that its answer follows."""
    return [
        (page.name, kind, program, answer)
        for page in PAGES
        for (kind, program), (next_kind, answer) in pairwise(blocks(page))
        if next_kind in ("json", "jsonl")
        and (kind in ("python", "javascript") or program.startswith("curl"))
    ]


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
    """Equal, scores within SCORE, and fractions in a text whatever they are."""
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
    if isinstance(shown, str):
        return isinstance(ours, str) and FRACTION.sub("", ours) == FRACTION.sub("", shown)
    return ours == shown


def test_node_is_there() -> None:
    """To run JavaScript with; where it is missing and may be installed, it is."""
    if not shutil.which("node") and os.getuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-qq", "nodejs"], check=True)
    assert shutil.which("node"), "install nodejs: the docs' JavaScript is run by it"


@pytest.mark.parametrize(("page", "language", "program", "answer"), examples())
def test_the_docs_programs_answer_as_shown(
    url: str, page: str, language: str, program: str, answer: str
) -> None:
    command = [*RUN[language], program.replace("8000", url.rpartition(":")[2])]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines() if line]
    shown = [answer] if answer.count("\n{") == 0 else answer.splitlines()
    assert same(told, list(map(json.loads, shown))), done.stdout


def test_the_pages_show_each_way_to_ask() -> None:
    shown = {(page, language) for page, language, _, _ in examples()}
    assert ("README.md", "bash") in shown
    assert {("api.md", language) for language in RUN} <= shown


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
