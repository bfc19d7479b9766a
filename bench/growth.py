"""How the cost of one run grows with the size of its input."""

import resource
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

    One thread, in a process of its own, so that its peak of memory is its own. The time is the
    processor's, so that little of it is what else the machine had to do.

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
    before = _peak_mb()
    taken = []
    for _ in range(RUNS):
        started = time.process_time()
        run(given)
        taken.append(1000 * (time.process_time() - started))
    return statistics.median(taken), _peak_mb() - before


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
