"""How the cost of one run grows with the size of its input."""

import statistics
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

from export.runtime import Runner
from model.preprocess.batch import Arrays

RUNS = 3


def measure(graph: Path, arrays: Callable[[], Arrays]) -> tuple[float, float]:
    """Median milliseconds of a run, and by how many MB its process grew.

    One thread, in a process of its own, which holds nothing else. The time is the processor's, so
    that little of it is what else the machine had to do.

    Args:
        graph: an ONNX file; all of its heads are computed, none of its attention weights.
        arrays: makes the graph's inputs, there; so it must be one that can be pickled.
    """
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (graph, arrays))


def _measure(graph: Path, arrays: Callable[[], Arrays]) -> tuple[float, float]:
    run = Runner(graph.read_bytes(), threads=1)
    run.outputs = [name for name in run.outputs if not name.startswith("attention.")]
    given = arrays()
    Path("/proc/self/clear_refs").write_text("5", "utf-8")  # the peak is anew what there is
    before = _peak_mb()
    taken = []
    for _ in range(RUNS):
        started = time.process_time()
        run(given)
        taken.append(1000 * (time.process_time() - started))
    return statistics.median(taken), _peak_mb() - before


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
