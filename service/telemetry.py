"""What Prometheus can ask about: requests, batches, queues."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from export.bundle import Manifest
from service.memory import Memory
from service.statistics import Statistics

# A time of creation beside every counter would only double the page.
disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
STAGES = ("preprocess", "queue", "model", "decode")
REASONS = ("all", "full", "lengths")
ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The metrics of one app, in a registry of its own.

    Attributes:
        statistics: of each model that was loaded, by name; of this process alone.
    """

    def __init__(self) -> None:
        registry = self._shown = CollectorRegistry()
        workers = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if workers is not None:  # there are several; then this sums over all
            self._shown = CollectorRegistry()
            MultiProcessCollector(self._shown)  # type: ignore[no-untyped-call]
        else:
            ProcessCollector(registry=registry)
        self._shown.register(Memory(Path(workers) if workers is not None else None))
        self._requests = Counter(
            "regard_requests", "Requests answered", ["route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "regard_request_seconds",
            "From a request's head to its answer's end",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        stages = Histogram(
            "regard_stage_seconds",
            "What requests spend their time on",
            ["stage"],
            buckets=SECONDS,
            registry=registry,
        )
        self._stages = {stage: stages.labels(stage) for stage in STAGES}
        self._problems = Counter(
            "regard_problems", "Requests refused or failed", ["type"], registry=registry
        )
        self._info = Gauge(
            "regard_model_info",
            "1 for each model served, 0 for what was served before",
            ["model", "version", "precision", "device"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._load = Gauge(
            "regard_model_load_seconds",
            "What loading took, with warming up and measuring its speed",
            ["model"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.runs = Histogram(
            "regard_run_seconds", "A run of a model", ["model"], buckets=SECONDS, registry=registry
        )
        self.inputs = Histogram(
            "regard_batch_inputs", "Inputs in a run", ["model"], buckets=ITEMS, registry=registry
        )
        self.positions = Counter(
            "regard_positions", "Positions computed, without padding", ["model"], registry=registry
        )
        self.padding = Counter(
            "regard_padding_positions", "Positions of padding", ["model"], registry=registry
        )
        self.reasons = Counter(
            "regard_batches",
            "Runs, by why they held no more: all that waited, a full batch, other lengths",
            ["model", "reason"],
            registry=registry,
        )
        self.queue = Gauge(
            "regard_queue_positions",
            "Positions that wait",
            ["model"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.age = Gauge(
            "regard_queue_seconds",
            "How long the oldest waits",
            ["model"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.statistics: dict[str, Statistics] = {}
        self._children: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def add_model(self, name: str, load_s: float) -> "ModelMetrics":
        """A model that took so many seconds to load; to be told of its runs."""
        self._load.labels(name).set(load_s)
        return ModelMetrics(self, name, self.statistics.setdefault(name, Statistics()))

    def show_model(self, manifest: Manifest, precision: str, device: str, served: bool) -> None:
        """Say that a model is served now, or that it is not any more."""
        self._info.labels(manifest.name, manifest.version, precision, device).set(served)

    def record_request(
        self,
        route: str,
        status: int,
        seconds: float,
        stages: Mapping[str, float],
        model: str | None,
    ) -> None:
        """Count one answer, of a model if one was asked."""
        if model is not None:
            self.statistics[model].answered(status == 200, seconds, stages)
        child = self._children.get((route, status))
        if child is None:
            child = self._requests.labels(route, status), self._seconds.labels(route)
            self._children[route, status] = child
        child[0].inc()
        child[1].observe(seconds)
        for stage, taken in stages.items():
            self._stages[stage].observe(taken)

    def record_problem(self, kind: str) -> None:
        """Count one problem, by the name of its sort."""
        self._problems.labels(kind).inc()

    def page(self) -> bytes:
        """All of them, in the text format of Prometheus."""
        return generate_latest(self._shown)


class ModelMetrics:
    """The metrics of one model."""

    def __init__(self, metrics: Metrics, name: str, statistics: Statistics):
        self._statistics = statistics
        self._runs = metrics.runs.labels(name)
        self._inputs = metrics.inputs.labels(name)
        self._positions = metrics.positions.labels(name)
        self._padding = metrics.padding.labels(name)
        self._reasons = {reason: metrics.reasons.labels(name, reason) for reason in REASONS}
        self._queue, self._age = metrics.queue.labels(name), metrics.age.labels(name)

    def ran(self, lengths: Sequence[int], seconds: float, reason: str) -> None:
        """A batch ran (see `service.batcher.Observer`)."""
        self._runs.observe(seconds)
        self._inputs.observe(len(lengths))
        self._positions.inc(sum(lengths))
        self._padding.inc(max(lengths) * len(lengths) - sum(lengths))
        self._reasons[reason].inc()
        self._statistics.ran(len(lengths), seconds)

    def waits(self, positions: int, age_s: float) -> None:
        """So much waits now, the oldest for so long."""
        self._queue.set(positions)
        self._age.set(age_s)
