"""`regard predict --engine ray`: each line is answered once, whatever dies meanwhile."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.service.conftest import TEXTS
from tests.service.process import PATIENCE_S, ROOT

LINES = 6_000
PART = 20
GIVEN = [f"{TEXTS[index % len(TEXTS)]} {index}" for index in range(LINES)]
ARROW = """
import json, sys, pyarrow, pyarrow.parquet
folder = sys.argv[1]
texts, words = json.load(sys.stdin)
for name, column, values in ("texts", "text", texts), ("words", "words", words):
    table = pyarrow.table({"id": range(len(values)), column: values})
    pyarrow.parquet.write_table(table, f"{folder}/{name}.parquet", row_group_size=25)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, environment: Path) -> Path:
    """Lines of every kind of file: of JSON, some of which have no answer; of text; of Parquet."""
    folder = tmp_path_factory.mktemp("lines")
    (folder / "below").mkdir()
    lines = [json.dumps(text) for text in GIVEN]
    lines[7], lines[77] = '{"wrong": 1}', "{"
    (folder / "a.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "below" / "b.txt").write_bytes(b"noon\n\nat \xff noon\r\nrain")
    table = json.dumps([GIVEN[:60], [text.split() for text in GIVEN[:30]]])
    command = [environment / "python", "-c", ARROW, folder]
    subprocess.run(command, input=table, text=True, check=True)
    return folder


def alone(tiny: SimpleNamespace, given: bytes, *options: str) -> list:
    """What the command answers by itself."""
    regard = [sys.executable, "-m", "regard", "predict", tiny.folder / "tiny", *options]
    done = subprocess.run(regard, cwd=ROOT, input=given, capture_output=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def found(out: Path, name: str) -> list[dict]:
    return [
        json.loads(line)
        for file in sorted((out / name).glob("*.jsonl"))
        for line in file.read_bytes().splitlines()
    ]


def start(cluster: SimpleNamespace, tiny: SimpleNamespace, folder: Path, out: Path):
    command = [cluster.programs / "python", "-m", "regard", "predict", tiny.folder / "tiny"]
    options = ["--engine", "ray", "--out", out, f"--part={PART}"]
    return subprocess.Popen(
        [*command, folder, *options], cwd=ROOT, env=cluster.env, stderr=subprocess.PIPE, text=True
    )


def workers(parent: int) -> Iterator[int]:
    """Processes of ours, among those under `parent`, that hold a model."""
    for process in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        name = Path(f"/proc/{process}/cmdline").read_text()
        if name.startswith("ray::MapWorker"):
            yield int(process)
        yield from workers(int(process))


def wait_for(out: Path, parts: int) -> None:
    end = time.monotonic() + 5 * PATIENCE_S  # Ray starts a dozen processes
    while len(list(out.rglob("0*.jsonl"))) < parts:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_no_line_is_lost_or_answered_twice_when_a_process_and_then_the_command_is_killed(
    cluster: SimpleNamespace, tiny: SimpleNamespace, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with start(cluster, tiny, folder, out) as command:
        wait_for(out, 10)
        os.kill(next(workers(cluster.process.pid)), signal.SIGKILL)
        wait_for(out, 40)
        command.kill()
    done = len(list(out.rglob("0*.jsonl")))
    assert done < LINES / PART
    before = {path: path.stat().st_mtime_ns for path in out.rglob("0*.jsonl")}
    with start(cluster, tiny, folder, out) as command:
        told = command.stderr.read()
    assert command.returncode == 1
    assert "lines could not be answered" in told
    assert all(path.stat().st_mtime_ns == moment for path, moment in before.items())

    lines, words = (folder / "a.jsonl").read_bytes(), GIVEN[:30]
    as_words = "\n".join(json.dumps({"words": text.split()}) for text in words).encode()
    as_texts = "\n".join(json.dumps(text) for text in GIVEN[:60]).encode()
    for name, right in {
        "a.jsonl": alone(tiny, lines, "--jsonl"),
        "below/b.txt": alone(tiny, (folder / "below" / "b.txt").read_bytes()),
        "texts.parquet": alone(tiny, as_texts, "--jsonl"),
        "words.parquet": alone(tiny, as_words, "--jsonl"),
    }.items():
        answers = found(out, name)
        assert [(row["file"], row["line"]) for row in answers] == [
            (name, number) for number in range(1, len(right) + 1)
        ]
        assert [row["answer"] for row in answers] == right
    assert not list(out.rglob(".*"))


def test_answers_do_not_go_among_the_lines(
    cluster: SimpleNamespace, tiny: SimpleNamespace, folder: Path
) -> None:
    with start(cluster, tiny, folder, folder / "answers") as command:
        told = command.stderr.read()
    assert command.returncode == 1
    assert "answers would be read as lines" in told


def test_parquet_without_texts_is_refused_before_anything_is_answered(
    cluster: SimpleNamespace, tiny: SimpleNamespace, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    write = "import sys, pyarrow as a; a.parquet.write_table(a.table({'text': [1]}), sys.argv[1])"
    command = [cluster.programs / "python", "-c", f"import pyarrow.parquet; {write}"]
    subprocess.run([*command, source / "a.parquet"], check=True)
    with start(cluster, tiny, source, tmp_path / "out") as command:
        told = command.stderr.read()
    assert command.returncode == 1
    assert "has neither a column text, of strings, nor words" in told
