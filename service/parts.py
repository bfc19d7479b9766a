"""Folders of lines in, folders of answers out, a part at a time: done as a whole or not at all.

A part is some lines of one file. Its answers are one file, named after them, which is there as soon
as it is complete. So what is missing can be told by the names alone, and a part that is done twice
is there once.
"""

import json
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from service.offline import line_to_json

JOB = "job.json"
PARQUET = ".parquet"
KINDS = (".jsonl", PARQUET, ".txt")
TEXT = r"(large_)?string"
COLUMNS = {  # the types that pyarrow may say they have
    "text": re.compile(TEXT),
    "words": re.compile(rf"(large_)?list<\w+: {TEXT}( not null)?>"),
}


class Part(NamedTuple):
    """Some lines of a file.

    file: its path within the folder of inputs, with `/`.
    first: the number of its first line in the file, from 1.
    lines: how many.
    offset: bytes before it in the file; of Parquet, the number of its row group.
    """

    file: str
    first: int
    lines: int
    offset: int

    def answers(self, out: Path) -> Path:
        """The file of its answers."""
        return out / self.file / f"{self.first:012d}-{self.first + self.lines - 1:012d}.jsonl"


def find_files(source: Path) -> dict[str, Path]:
    """By their names within `source`: itself, or those in it, at any depth, of the known kinds.

    Raises:
        ValueError: there are none.
    """
    if source.is_file():
        return {source.name: source}
    found = sorted(path for path in source.rglob("*") if path.suffix in KINDS and path.is_file())
    if not found:
        raise ValueError(f"{source} is no file, and no folder of {', '.join(KINDS)} files")
    return {path.relative_to(source).as_posix(): path for path in found}


def cut(file: str, path: Path, lines: int) -> Iterator[Part]:
    """The parts of a file, of so many lines each; the last of it, or of a row group, has fewer.

    Raises:
        ValueError: a Parquet file has neither texts nor words.
    """
    first = 1
    if path.suffix == PARQUET:
        _column(path)
        for group, rows in enumerate(_row_groups(path)):
            for start in range(0, rows, lines):
                yield Part(file, first + start, min(lines, rows - start), group)
            first += rows
        return
    offset = 0
    with path.open("rb") as all_lines:
        while taken := list(islice(all_lines, lines)):
            yield Part(file, first, len(taken), offset)
            first += len(taken)
            offset += sum(map(len, taken))


def read(part: Part, path: Path) -> Iterator[bytes]:
    """The lines of a part, as JSON without ends."""
    if path.suffix == PARQUET:
        return _read_rows(part, path)
    return _read_lines(part, path)


def write(part: Part, out: Path, answers: Iterable[bytes]) -> None:
    """Write the answers of a part, each beside where its line stands; all of them or nothing."""
    path = part.answers(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    file = json.dumps(part.file).encode()
    with unfinished.open("wb") as lines:
        for number, answer in enumerate(answers, part.first):
            lines.write(b'{"file":%s,"line":%d,"answer":%s}\n' % (file, number, answer))
        lines.flush()
        os.fsync(lines.fileno())
    unfinished.rename(path)


def begin(out: Path, job: dict[str, object], files: dict[str, Path]) -> None:
    """Note in `out` what is being answered there, and take away what was left unfinished.

    Args:
        out: made where it is missing.
        job: what all its answers have in common.
        files: of inputs; more of them may be added later.

    Raises:
        ValueError: it holds the answers of another model, or to files that have changed.
    """
    out.mkdir(parents=True, exist_ok=True)
    noted, sizes = out / JOB, {file: path.stat().st_size for file, path in files.items()}
    if noted.is_file():
        before = json.loads(noted.read_text("utf-8"))
        known = before.pop("inputs")
        if before != job:
            raise ValueError(f"{out} holds answers of another run: {before}; this one is {job}")
        for file in known.keys() & sizes.keys():
            if known[file] != sizes[file]:
                raise ValueError(f"{out} holds answers to {file} as it was: it has changed")
        sizes = known | sizes
    elif any(out.iterdir()):
        raise ValueError(f"{out} is not empty, and has no {JOB} that says what it holds")
    for unfinished in out.rglob(".*.jsonl.*"):
        unfinished.unlink()
    unfinished = out / f".{JOB}"
    unfinished.write_text(json.dumps({**job, "inputs": sizes}, indent=1) + "\n", "utf-8")
    unfinished.rename(noted)


def _read_lines(part: Part, path: Path) -> Iterator[bytes]:
    with path.open("rb") as lines:
        lines.seek(part.offset)
        for line in islice(lines, part.lines):
            yield line_to_json(line, path.suffix == ".jsonl")


def _read_rows(part: Part, path: Path) -> Iterator[bytes]:
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415  # of the extra ray

    column, groups = _column(path), _row_groups(path)
    start = part.first - 1 - sum(groups[: part.offset])
    with ParquetFile(path) as rows:
        values = rows.read_row_group(part.offset, [column])[column]
    for value in values.slice(start, part.lines).to_pylist():
        yield json.dumps({"words": value} if column == "words" else value).encode()


def _column(path: Path) -> str:
    """The one to be read."""
    from pyarrow.parquet import read_schema  # noqa: PLC0415  # of the extra ray

    schema = read_schema(path)
    for name, kind in COLUMNS.items():
        if name in schema.names and kind.fullmatch(str(schema.field(name).type)):
            return name
    raise ValueError(f"{path} has neither a column text, of strings, nor words, of lists of them")


def _row_groups(path: Path) -> list[int]:
    """The number of rows of each."""
    from pyarrow.parquet import read_metadata  # noqa: PLC0415  # of the extra ray

    metadata = read_metadata(path)
    return [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
