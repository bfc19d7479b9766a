"""Files of lines, answered on Ray Data by as many processes as a cluster has CPUs."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from itertools import chain
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
import ray.data

from export.bundle import read_manifest
from service.device import find_devices
from service.offline import Offline
from service.parts import Part, begin, cut, find_files, read, write
from service.session import choose_graph
from service.settings import Settings

Row = dict[str, Any]


def predict(
    bundle: Path,
    source: Path,
    out: Path,
    settings: Settings,
    lines: int,
    tell: Callable[[int, int], None],
) -> int:
    """Answer what is not answered yet; gives the number of lines that failed.

    A process that dies is replaced, and its part done again. All paths are read and written by all
    machines of the cluster.

    Args:
        bundle: its folder.
        source: a file of lines, or a folder of them.
        out: where the answers go; see `service.parts`.
        settings: precision and limits.
        lines: of one part.
        tell: is told how many of all lines are answered.

    Raises:
        BundleError: the bundle cannot be used.
        ValueError: there are no lines, or `out` holds other answers or lies among the lines.
    """
    if out.is_relative_to(source):
        raise ValueError(f"{out} lies within {source}: answers would be read as lines")
    manifest = read_manifest(bundle)
    _, precision = choose_graph(manifest, settings.precision, find_devices(settings.device))
    graph = manifest.graphs[precision].file
    job = {"model": manifest.name, "graph": manifest.files[graph].sha256, "lines_a_part": lines}
    files = find_files(source)
    parts = list(chain.from_iterable(cut(file, path, lines) for file, path in files.items()))
    begin(out, job, files)
    missing = [part._asdict() for part in parts if not part.answers(out).exists()]
    total = sum(part.lines for part in parts)
    done = total - sum(part["lines"] for part in missing)
    tell(done, total)
    failed = 0
    if missing:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="warning")
        ray.data.DataContext.get_current().enable_progress_bars = False
        answered = ray.data.from_items(missing, override_num_blocks=len(missing)).map(
            Answer,
            fn_constructor_args=(bundle, files, out, settings),
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(size=min(len(missing), _cpus())),
        )
        for row in answered.iter_rows():
            done += row["lines"]
            failed += row["failed"]
            tell(done, total)
        ray.shutdown()
    return failed


class Answer:
    """One process; holds the model, and answers a part at a time.

    Args:
        bundle, out, settings: as `predict`.
        files: see `find_files`.
    """

    def __init__(self, bundle: Path, files: dict[str, Path], out: Path, settings: Settings):
        self._files = files
        self._out = out
        self._runner = asyncio.Runner()
        self._offline = Offline(bundle, settings, threads=1)

    def __call__(self, row: Row) -> Row:
        """A part -> how many lines it has, and how many of them failed."""
        part = Part(**row)
        before = self._offline.failed
        write(part, self._out, self._runner.run(self._answer(part)))
        return {"lines": part.lines, "failed": self._offline.failed - before}

    async def _answer(self, part: Part) -> list[bytes]:
        answers = self._offline.answer(_lines(part, self._files[part.file]), part.first)
        return [answer async for some in answers for answer in some.splitlines()]


def _cpus() -> int:
    return max(1, int(ray.cluster_resources()["CPU"]))


async def _lines(part: Part, path: Path) -> AsyncIterator[bytes]:
    for line in read(part, path):
        yield line
