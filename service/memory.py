"""The memory of all workers, as Prometheus sees it."""

import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Memory(Collector):
    """Asks the kernel when it is asked.

    Args:
        workers: the folder in which each live worker has a file for gauges; none: this process.
    """

    def __init__(self, workers: Path | None):
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client."""
        told = "Resident memory of all workers; what they share counts for each"
        yield GaugeMetricFamily("regard_resident_bytes", told, sum(map(_resident, self._pids())))

    def _pids(self) -> list[str]:
        if self._workers is None:
            return ["self"]
        return [path.stem.rpartition("_")[2] for path in self._workers.glob("gauge_livesum_*.db")]


def _resident(pid: str) -> int:
    """In bytes; 0 where the process has just ended, and elsewhere than on Linux."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * PAGE_BYTES
    except OSError:
        return 0
