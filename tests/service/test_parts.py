"""Files of lines, cut into parts: every line in one of them, under its number."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.parts import Part, begin, cut, find_files, read, write
from tests.service.process import ROOT

JOB = {"model": "tiny"}
LINE = st.binary(max_size=6).map(lambda line: line.replace(b"\n", b""))


@given(st.lists(LINE), st.booleans(), st.integers(1, 5))
def test_every_line_of_a_file_is_in_one_part(lines: list[bytes], end: bool, size: int) -> None:
    content = b"\n".join(lines) + (b"\n" if end else b"")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        path.write_bytes(content)
        parts = list(cut("a.jsonl", path, size))
        got = [line for part in parts for line in read(part, path)]
    assert got == [line.rstrip(b"\r") for line in content.split(b"\n")][: len(got)]
    assert len(got) == content.count(b"\n") + (not content.endswith(b"\n") and content != b"")
    numbers = [part.first + index for part in parts for index in range(part.lines)]
    assert numbers == list(range(1, len(got) + 1))
    assert all(part.lines <= size for part in parts)


def test_a_part_is_there_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    part = Part("below/a.jsonl", 3, 2, 0)

    def fail():
        yield b"1"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(part, tmp_path, fail())
    assert not part.answers(tmp_path).exists()
    write(part, tmp_path, [b"1", b"2"])
    assert part.answers(tmp_path) == tmp_path / "below/a.jsonl/000000000003-000000000004.jsonl"
    assert [json.loads(line) for line in part.answers(tmp_path).read_bytes().splitlines()] == [
        {"file": "below/a.jsonl", "line": 3, "answer": 1},
        {"file": "below/a.jsonl", "line": 4, "answer": 2},
    ]


def test_answers_of_another_run_are_not_mixed_in(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "a.jsonl").write_text('"noon"\n')
    begin(out, JOB, find_files(source))
    (source / "b.txt").write_text("rain\n")
    begin(out, JOB, find_files(source))
    with pytest.raises(ValueError, match="holds answers of another run"):
        begin(out, {"model": "other"}, find_files(source))
    (source / "a.jsonl").write_text('"noon"\n"rain"\n')
    with pytest.raises(ValueError, match="holds answers to a"):
        begin(out, JOB, find_files(source))
    with pytest.raises(ValueError, match="is not empty"):
        begin(source, JOB, find_files(source))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--engine", "spark"], "unknown engine 'spark'"),
        (["--engine", "ray"], "on ray the answers need"),
        (["a.txt", "--engine", "ray", "--out", "b"], "the engine ray needs the extra ray"),
    ],
)
def test_what_cannot_be_run_is_told_in_one_line(tiny, options: list[str], told: str) -> None:
    command = [sys.executable, "-m", "regard", "predict", tiny.folder / "tiny", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("regard: ")
    assert told in done.stderr
