"""The examples of the docs are run, and answered as shown."""

import doctest
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
import numpy as np
import pytest
from huggingface_hub.utils import close_session

from tests.pages import NODE, OWN_VECTORS, PAGES, ROOT, SCORE, blocks, same

RUN = {
    "bash": ["bash", "-c"],
    "python": [sys.executable, "-c"],
    "javascript": [NODE, "--no-warnings", "--input-type=module", "-e"],
}
PROBABILITY = re.compile(r"(?<![\d.])[01]\.\d+(?![\d.])")
PROGRAMS = ("python", "javascript")
SHIPPED = [page for page in PAGES if page != OWN_VECTORS]  # of the shipped models


def answered() -> list[tuple[str, str, str, str]]:
    """(page, language, program, answer) of each program that its answer, JSON, follows."""
    return [
        (page.name, kind, program, answer)
        for page in SHIPPED
        for (kind, program), (following, answer) in pairwise(blocks(page))
        if following in ("json", "jsonl")
        and (kind in PROGRAMS or (kind == "bash" and program.startswith("curl")))
    ]


def printing() -> dict[tuple[str, str], tuple[str, str]]:
    """By page and language, where blocks of text show what is printed: all of the program, and all
    of the text."""
    found = {}
    for page in SHIPPED:
        listed = blocks(page)
        for language in PROGRAMS:
            shown = [
                b for (a, _), (after, b) in pairwise(listed) if (a, after) == (language, "text")
            ]
            if shown:
                code = "\n".join(block for kind, block in listed if kind == language)
                found[page.name, language] = code, "".join(shown)
    return found


def consoles() -> dict[str, str]:
    """By page, what its Python consoles show."""
    shown = {
        page.name: "\n".join(block for _, block in blocks(page) if block.startswith(">>> "))
        for page in SHIPPED
    }
    return {name: console for name, console in shown.items() if console}


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


def run(language: str, program: str, url: str, folder: Path) -> str:
    """What it prints; in the folder there is the reader of safetensors, for JavaScript."""
    shutil.copy(ROOT / "service/explorer/safetensors.js", folder)
    command = [*RUN[language], program.replace("8000", url.rpartition(":")[2])]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("page", "language", "program", "answer"), answered())
def test_programs_are_answered_as_shown(
    url: str, tmp_path, page: str, language: str, program: str, answer: str
) -> None:
    told = run(language, program, url, tmp_path)
    found = [json.loads(line) for line in told.splitlines() if line]
    shown = [answer] if answer.count("\n{") == 0 else answer.splitlines()
    assert same(found, list(map(json.loads, shown))), told


@pytest.mark.parametrize(("page", "language"), printing())
def test_programs_print_what_is_shown(url: str, tmp_path, page: str, language: str) -> None:
    program, shown = printing()[page, language]
    assert run(language, program, url, tmp_path) == shown
    if (page, language) == ("attention.md", "python"):
        check_drawn(url, tmp_path)


def check_drawn(url: str, folder: Path) -> None:
    """The pages that bertviz and CircuitsVis have written show the weights."""
    asked = {"inputs": "play jazz", "attention": {"layers": "all"}}
    answer = httpx.post(f"{url}/v1/attention", json=asked).json()["results"][0]["attention"]
    texts = [position["text"] for position in answer["positions"]]
    for name in ("head_view", "model_view"):
        page = (folder / f"{name}.html").read_text("utf-8")
        drawn = json.loads(re.search(r"params = ({.*});", page)[1])["attention"][0]
        assert drawn["left_text"] == texts
        assert np.array(drawn["attn"]) == pytest.approx(np.array(answer["weights"]), abs=1e-6)
    page = (folder / "attention_heads.html").read_text("utf-8")
    drawn = json.loads(re.search(r"AttentionHeads,\s*({.*})", page)[1])
    assert drawn["tokens"] == texts
    assert np.array(drawn["attention"]) == pytest.approx(np.array(answer["weights"][-1]), abs=1e-6)


class Near(doctest.OutputChecker):
    """Takes scores within SCORE for equal."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        shown, found = PROBABILITY.findall(want), PROBABILITY.findall(got)
        near = len(shown) == len(found) and all(
            abs(float(ours) - float(score)) <= SCORE
            for ours, score in zip(found, shown, strict=True)
        )
        return near and super().check_output(
            PROBABILITY.sub("0.", want), PROBABILITY.sub("0.", got), optionflags
        )


@pytest.mark.parametrize(("page", "console"), consoles().items())
def test_consoles_answer_as_shown(url: str, page: str, console: str) -> None:
    console = console.replace("http://127.0.0.1:8000", url)
    examples = doctest.DocTestParser().get_doctest(console, {}, page, page, 0)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    report: list[str] = []
    doctest.DocTestRunner(Near(), optionflags=flags).run(examples, out=report.append)
    close_session()
    assert not report, "".join(report)


def test_each_way_to_ask_is_shown() -> None:
    shown = {(page, language) for page, language, _, _ in answered()}
    assert {("README.md", "bash"), ("oip.md", "bash"), ("hugging-face.md", "bash")} <= shown
    assert {("api.md", language) for language in RUN} <= shown
    assert {("oip.md", "python"), ("attention.md", "python")} <= printing().keys()
    assert ("attention.md", "javascript") in printing()
    assert "hugging-face.md" in consoles()
