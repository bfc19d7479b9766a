"""Readings in train.csv, dev.csv and test.csv: a row is a position, rows of one name a sequence."""

import csv
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from model.config import ColumnsConfig
from model.data.examples import Example, Splits, Target
from model.errors import DataError

MAX_TOLD = 20  # problems
LARGEST = float(np.finfo(np.float32).max)


class _Row(NamedTuple):
    line: int
    order: float
    features: list[float]
    targets: dict[str, str | float | None]


def read(folder: Path, columns: ColumnsConfig) -> Splits:
    """The three splits; source float32 (length, features), targets as the columns say.

    A label or number of a whole sequence is in any of its rows, or in several; an empty cell says
    that it is not known. Other columns are passed over.

    Raises:
        DataError: tells every problem of every file, with its line.
    """
    files = [_File(folder / f"{name}.csv", columns) for name in ("train", "dev", "test")]
    splits = Splits(*(file.read() for file in files))
    if problems := [problem for file in files for problem in file.problems]:
        more = len(problems) - MAX_TOLD
        told = [*problems[:MAX_TOLD], *([f"and {more} more"] if more > 0 else [])]
        raise DataError("\n".join(told))
    return splits


class _File:
    def __init__(self, path: Path, columns: ColumnsConfig):
        self.path, self.columns = path, columns
        self.problems: list[str] = []

    def read(self) -> list[Example]:
        """Its sequences, in the order of their first rows; `problems` tells what is wrong."""
        sequences: dict[str, list[_Row]] = {}
        try:
            for line, cells in self._lines():
                told = len(self.problems)
                row = self._row(line, cells)
                if len(self.problems) == told:
                    sequences.setdefault(cells[self.columns.sequence], []).append(row)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            self.problems.append(f"{self.path}: {error}")
        if not sequences and not self.problems:
            self.problems.append(f"{self.path}: there is no row")
        return [self._example(name, rows) for name, rows in sequences.items()]

    def _lines(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Number and cells of each line that has as many as the header."""
        columns = self.columns
        wanted = {columns.sequence, columns.order, *columns.features, *columns.targets}
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = [*map(str.strip, next(lines, []))]
            if strange := sorted(name for name in wanted if header.count(name) != 1):
                told = f"columns {', '.join(header)}"
                self._tell(1, f"{told}; each of {', '.join(strange)} is wanted once")
                return
            for cells in filter(None, lines):
                if len(cells) == len(header):
                    yield lines.line_num, dict(zip(header, map(str.strip, cells), strict=True))
                else:
                    self._tell(lines.line_num, f"{len(cells)} cells; the header has {len(header)}")

    def _row(self, line: int, cells: dict[str, str]) -> _Row:
        columns = self.columns
        if not cells[columns.sequence]:
            self._tell(line, f"{columns.sequence} is empty")
        features = [self._number(line, name, cells[name]) for name in columns.features]
        targets: dict[str, str | float | None] = {}
        for name, kind in columns.targets.items():
            known = cells[name] or None
            targets[name] = self._number(line, name, known) if known and kind == "value" else known
        return _Row(line, self._order(line, cells[columns.order]), features, targets)

    def _order(self, line: int, cell: str) -> float:
        """A number as it is; of a date and time the seconds since 1970, in UTC if it says none."""
        with suppress(ValueError):
            if math.isfinite(number := float(cell)):
                return number
        with suppress(ValueError):
            moment = datetime.fromisoformat(cell)
            return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
        self._tell(line, f"{self.columns.order} is {cell!r}; a number or a date is wanted")
        return math.nan

    def _number(self, line: int, name: str, cell: str) -> float:
        with suppress(ValueError):
            if abs(value := float(cell)) <= LARGEST:
                return value
        self._tell(line, f"{name} is {cell!r}; a number is wanted")
        return math.nan

    def _example(self, name: str, rows: list[_Row]) -> Example:
        rows.sort(key=lambda row: row.order)
        for row, following in pairwise(rows):
            if row.order == following.order:
                told = f"{self.columns.order} is as in line {row.line}, of {name!r} too"
                self._tell(following.line, told)
        targets = {
            head: self._target(head, kind, rows) for head, kind in self.columns.targets.items()
        }
        known = {head: target for head, target in targets.items() if target is not None}
        return Example(np.array([row.features for row in rows], np.float32), known)

    def _target(self, head: str, kind: str, rows: Sequence[_Row]) -> Target | None:
        found = [(row.targets[head], row.line) for row in rows if row.targets[head] is not None]
        if not found:
            return None
        if kind == "token":
            return tuple(row.targets[head] for row in rows)
        first, first_line = found[0]
        for value, line in found:
            if value != first:
                told = f"{head} is {value!r}, but {first!r} in line {first_line}"
                self._tell(line, f"{told}; a sequence has one")
        return first

    def _tell(self, line: int, problem: str) -> None:
        self.problems.append(f"{self.path}, line {line}: {problem}")
