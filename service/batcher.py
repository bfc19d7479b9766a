"""Inputs that wait -> padded batches -> one model thread. No artificial waiting.

A run of the model costs a fixed part plus a part for every position, padding included. So inputs of
near length run together for as long as all their padding costs less than one more run would.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from service.errors import Overloaded, ShuttingDown

RUN_POSITIONS = 6  # what a run costs beside its positions; within 3 % of the best from 6 to 12
RATE_MEMORY = 0.9  # of the moving average of seconds a position


class Sized(Protocol):
    """What can be batched."""

    @property
    def length(self) -> int:
        """Positions it takes, without padding."""


class Waiting(Sized, Protocol):
    """An entry of the queue."""

    @property
    def abandoned(self) -> bool:
        """Nobody waits for its result any more."""


Entry = TypeVar("Entry", bound=Waiting)
Work = TypeVar("Work", bound=Sized)
Result = TypeVar("Result")


def take_batch(queue: Sequence[Entry], max_positions: int) -> tuple[list[Entry], list[Entry]]:
    """Choose what runs next; pure.

    Args:
        queue: oldest first.
        max_positions: of the batch, padding included; only a single entry may exceed it.

    Returns:
        batch: the oldest entry and those near its length; empty if the queue is.
        rest: the others, oldest first. Abandoned entries are in neither.
    """
    waiting = [entry for entry in queue if not entry.abandoned]
    if len(waiting) < 2:
        return waiting, []
    oldest = waiting[0].length
    nearest = sorted(range(len(waiting)), key=lambda i: abs(waiting[i].length - oldest))
    chosen: set[int] = set()
    longest = total = 0
    for index in nearest:
        length = waiting[index].length
        padded = max(longest, length) * (len(chosen) + 1)
        if chosen and (padded > max_positions or padded - total - length >= RUN_POSITIONS):
            continue
        chosen.add(index)
        longest, total = max(longest, length), total + length
    batch = [waiting[index] for index in sorted(chosen)]
    return batch, [entry for index, entry in enumerate(waiting) if index not in chosen]


@dataclass(slots=True, eq=False)
class _Request(Generic[Result]):
    """Works that were submitted together; done when all of them are, or when one failed."""

    future: asyncio.Future[list[Result]]
    results: list[Result | None]
    missing: int


@dataclass(slots=True, eq=False)
class _Entry(Generic[Work, Result]):
    work: Work
    length: int
    request: _Request[Result]
    index: int

    @property
    def abandoned(self) -> bool:
        return self.request.future.done()

    def resolve(self, result: Result | Exception) -> None:
        request = self.request
        if request.future.done():
            return
        if isinstance(result, Exception):
            request.future.set_exception(result)
            return
        request.results[self.index] = result
        request.missing -= 1
        if not request.missing:
            request.future.set_result(request.results)  # type: ignore[arg-type]  # none is missing


class Batcher(Generic[Work, Result]):
    """Runs a function over batches, one batch at a time, in a thread of its own.

    Args:
        run: a batch -> its results, in order. Called in the model thread. Where it raises, the
            batch's works are run one by one, so that only the culprit fails.
        max_batch_positions: see `take_batch`.
        max_queue_positions: that may wait, without padding.
        on_batch: told of every batch: the lengths, and the seconds it took.
    """

    def __init__(
        self,
        run: Callable[[list[Work]], list[Result]],
        max_batch_positions: int,
        max_queue_positions: int,
        on_batch: Callable[[list[int], float], None] = lambda lengths, seconds: None,
    ):
        self._run = run
        self._max_batch_positions = max_batch_positions
        self._max_queue_positions = max_queue_positions
        self._on_batch = on_batch
        self._thread = ThreadPoolExecutor(1, "model")
        self._queue: list[_Entry[Work, Result]] = []
        self._running: Future[list[Result | Exception]] | None = None
        self._closed = False
        self._seconds_per_position = 0.0
        self.waiting_positions = 0

    async def submit(self, works: Sequence[Work]) -> list[Result]:
        """Run works; their results, in order. Cancelling this abandons them all.

        Raises:
            Overloaded: they would exceed `max_queue_positions`; none of them was queued.
            ShuttingDown: `close` was called.
            Exception: what `run` raised for one of them.
        """
        if self._closed:
            raise ShuttingDown("the service is being stopped")
        positions = sum(work.length for work in works)
        if self.waiting_positions + positions > self._max_queue_positions:
            raise Overloaded(
                f"{self.waiting_positions} positions are waiting, {positions} more would exceed "
                f"the {self._max_queue_positions} that may",
                max(1, math.ceil(self.waiting_positions * self._seconds_per_position)),
            )
        future = asyncio.get_running_loop().create_future()
        request = _Request[Result](future, [None] * len(works), len(works))
        self._queue.extend(
            _Entry(work, work.length, request, index) for index, work in enumerate(works)
        )
        self.waiting_positions += positions
        if self._running is None:
            self._start()
        return await request.future

    async def close(self) -> None:
        """Fail what waits, let the running batch finish, end the thread."""
        self._closed = True
        queue, self._queue = self._queue, []
        for entry in queue:
            entry.resolve(ShuttingDown("the service is being stopped"))
        if self._running is not None:
            await asyncio.wrap_future(self._running)
        self._thread.shutdown()

    def _start(self) -> None:
        batch, self._queue = take_batch(self._queue, self._max_batch_positions)
        self.waiting_positions = sum(entry.length for entry in self._queue)
        if not batch:
            return
        loop, started_s = asyncio.get_running_loop(), time.perf_counter()
        self._running = self._thread.submit(self._run_safely, [entry.work for entry in batch])
        self._running.add_done_callback(
            lambda done: loop.call_soon_threadsafe(self._finish, batch, started_s, done.result())
        )

    def _finish(
        self,
        batch: list[_Entry[Work, Result]],
        started_s: float,
        results: list[Result | Exception],
    ) -> None:
        self._running = None
        self._start()  # first, so that the model thread need not wait for the answers' decoding
        for entry, result in zip(batch, results, strict=True):
            entry.resolve(result)
        lengths = [entry.length for entry in batch]
        seconds = time.perf_counter() - started_s
        newest = seconds / (max(lengths) * len(lengths))
        self._seconds_per_position += (1 - RATE_MEMORY) * (newest - self._seconds_per_position)
        self._on_batch(lengths, seconds)

    def _run_safely(self, works: list[Work]) -> list[Result | Exception]:
        """Results or what was raised instead, one each; runs in the model thread."""
        try:
            results = self._run(works)
            if len(results) != len(works):
                raise RuntimeError(f"{len(works)} works gave {len(results)} results")
        except Exception as error:
            if len(works) == 1:
                return [error]
            return [result for work in works for result in self._run_safely([work])]
        return [*results]
