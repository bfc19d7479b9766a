"""What Prometheus can ask about: requests, batches, queues."""

import os
from collections.abc import Callable, Sequence
from time import perf_counter

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from export.bundle import Manifest

# A time of creation beside every counter would only double the page.
disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The metrics of one app, in a registry of its own."""

    def __init__(self) -> None:
        registry = self._shown = CollectorRegistry()
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # several workers; then this sums over all
            self._shown = CollectorRegistry()
            MultiProcessCollector(self._shown)  # type: ignore[no-untyped-call]
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
        self._problems = Counter(
            "regard_problems", "Requests refused or failed", ["type"], registry=registry
        )
        self._runs = Histogram(
            "regard_run_seconds",
            "One run of a model",
            ["model"],
            buckets=SECONDS,
            registry=registry,
        )
        self._inputs = Histogram(
            "regard_batch_inputs", "Inputs in a run", ["model"], buckets=ITEMS, registry=registry
        )
        self._positions = Counter(
            "regard_positions", "Positions computed, without padding", ["model"], registry=registry
        )
        self._padding = Counter(
            "regard_padding_positions", "Positions of padding", ["model"], registry=registry
        )
        self._queue = Gauge(
            "regard_queue_positions",
            "Positions that wait, after the last run",
            ["model"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._info = Gauge(
            "regard_model_info",
            "1 for each model served, 0 for what was served before",
            ["model", "version", "precision"],
            registry=registry,
            multiprocess_mode="livemax",
        )

    def add_model(
        self, manifest: Manifest, precision: str, waiting: Callable[[], int]
    ) -> Callable[[Sequence[int], float], None]:
        """Describe a model.

        Args:
            manifest: of the model.
            precision: that is served.
            waiting: gives the positions in its queue.

        Returns:
            To be told of each run: the inputs' lengths, and the seconds it took.
        """
        queue = self._queue.labels(manifest.name)
        runs, inputs = self._runs.labels(manifest.name), self._inputs.labels(manifest.name)
        positions = self._positions.labels(manifest.name)
        padding = self._padding.labels(manifest.name)

        def record(lengths: Sequence[int], seconds: float) -> None:
            runs.observe(seconds)
            inputs.observe(len(lengths))
            positions.inc(sum(lengths))
            padding.inc(max(lengths) * len(lengths) - sum(lengths))
            queue.set(waiting())

        return record

    def show_model(self, manifest: Manifest, precision: str, served: bool) -> None:
        """Say that a model is served now, or that it is not any more."""
        self._info.labels(manifest.name, manifest.version, precision).set(served)

    def record_request(self, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self._requests.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def record_problem(self, kind: str) -> None:
        """Count one problem, by the name of its sort."""
        self._problems.labels(kind).inc()

    def page(self) -> bytes:
        """All of them, in the text format of Prometheus."""
        return generate_latest(self._shown)


class RecordRequests:
    """ASGI middleware that counts and times every request."""

    def __init__(self, app: ASGIApp, metrics: Metrics):
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = 500, perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.record_request(route, status, perf_counter() - started)
