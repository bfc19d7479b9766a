"""The works of one model: they wait, run in batches, and go back to whoever asked."""

import asyncio
import functools
import math
import time
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from service.caller import Caller
from service.cost import Cost
from service.errors import Overloaded, ShuttingDown
from service.queue import Queue
from service.scheduler import Run, Scheduler

SWEEP_S = 0.05  # between two looks at all that wait,
SWEEP_SHARE = 0.02  # or more, so that they take no more than this share of the time
LOW_WATER = 0.9
OUTLIER = 5  # times its cost; a run that took longer, as when the machine stood, tells no more
RATE_MEMORY = 0.9  # of the seconds and positions of a run at the next


class Sized(Protocol):
    """What can be batched."""

    @property
    def length(self) -> int:
        """Positions it takes, without padding."""


class Observer(Protocol):
    """Is told what happens."""

    def waits(self, positions: int, age_s: float) -> None:
        """So many positions wait now, the oldest for so long."""

    def ran(self, lengths: Sequence[int], seconds: float, reason: str) -> None:
        """A batch ran; why it was no larger: all, full or lengths (see `Queue.take`)."""


Work = TypeVar("Work", bound=Sized)
Result = TypeVar("Result")


class _Request(Generic[Result]):
    """Works that were submitted together; done when all of them are, or when one failed."""

    __slots__ = ("caller", "ended_s", "future", "missing", "results", "started_s", "submitted_s")

    def __init__(self, future: "asyncio.Future[list[Result]]", works: int, caller: Caller):
        self.future = future
        self.results: list[Result | None] = [None] * works
        self.missing = works
        self.caller = caller
        self.submitted_s = time.perf_counter()
        self.started_s = self.ended_s = 0.0

    def fail(self, error: Exception) -> None:
        """Nothing more of it will run."""
        if not self.future.done():
            self.future.set_exception(error)


class _Entry(Generic[Work, Result]):
    """One of them."""

    __slots__ = ("index", "length", "request", "submitted_s", "work")

    def __init__(self, work: Work, request: _Request[Result], index: int, submitted_s: float):
        self.work = work
        self.length = work.length
        self.request = request
        self.index = index
        self.submitted_s = submitted_s

    def expects(self, moment_s: float) -> bool:
        request = self.request
        if request.future.done():
            return False
        if (lost := request.caller.lost(moment_s)) is not None:
            request.fail(lost)
            return False
        return True

    def resolve(self, result: Result | Exception) -> None:
        request = self.request
        if request.future.done():
            return
        if isinstance(result, Exception):
            request.fail(result)
            return
        request.results[self.index] = result
        request.missing -= 1
        if not request.missing:
            request.future.set_result(request.results)  # type: ignore[arg-type]  # none is missing


class Batcher(Generic[Work, Result]):
    """Runs a function over batches, on a scheduler's thread.

    Args:
        run: a batch -> its results, in order. Called in the thread. Where it raises, the batch's
            works are run one by one, so that only the culprit fails.
        scheduler: may run other models too.
        cost: of a run.
        max_batch_positions: see `service.queue.take_batch`.
        max_queue_positions: that may wait, without padding.
        max_queue_s: that the last of them may have to wait, by the cost of what waits.
        observer: told of every batch.
    """

    def __init__(
        self,
        run: Callable[[list[Work]], list[Result]],
        scheduler: Scheduler,
        cost: Cost,
        max_batch_positions: int,
        max_queue_positions: int,
        max_queue_s: float,
        observer: Observer,
    ):
        self._run = run
        self._scheduler = scheduler
        self._cost = cost
        self._max_queue_positions = max_queue_positions
        self._max_queue_s = max_queue_s
        self._observer = observer
        self._queue: Queue[_Entry[Work, Result]] = Queue(cost, max_batch_positions, max_queue_s)
        self._closed = self._sweeping = self._full = False
        self._seconds, self._positions = cost.position, 1.0  # of the last runs, the newest most
        self.used_s = 0.0

    @property
    def waiting_positions(self) -> int:
        """Positions that wait."""
        return self._queue.positions

    def overload(self, positions: int) -> Overloaded | None:
        """What to refuse so many more positions with; None: they may wait.

        After a refusal there is room again when a tenth of what may wait is done: else what just
        fits no more would come in and be encoded before it is refused.
        """
        waiting = self._queue.positions
        wait_s = waiting * self._seconds / self._positions
        level = LOW_WATER if self._full else 1.0
        self._full = (
            waiting + positions > self._max_queue_positions
            or waiting > level * self._max_queue_positions
            or wait_s > level * self._max_queue_s
        )
        if not self._full:
            return None
        return Overloaded(
            f"{waiting} positions are waiting, about {wait_s:.1f} s; at most "
            f"{self._max_queue_positions} and {self._max_queue_s:g} s are allowed",
            max(1, math.ceil(wait_s)),
        )

    def check_room(self, positions: int) -> None:
        """Check that so many more positions may wait.

        Raises:
            Overloaded: they may not; says when there will be room, by the rate of the model.
        """
        if (full := self.overload(positions)) is not None:
            raise full

    async def submit(self, works: Sequence[Work], caller: Caller) -> list[Result]:
        """Run works; their results, in order. Cancelling this abandons them all.

        Notes in `caller.stages` how long they waited (queue), and then took (model).

        Raises:
            Overloaded: see `check_room`; none of them was queued.
            DeadlineExceeded: the caller's deadline cannot be met.
            ClientLeft: the caller left before all of them had begun.
            ShuttingDown: `close` was called.
            Exception: what `run` raised for one of them.
        """
        if self._closed:
            raise ShuttingDown("the service is being stopped")
        self.check_room(sum(work.length for work in works))
        loop = asyncio.get_running_loop()
        request: _Request[Result] = _Request(loop.create_future(), len(works), caller)
        # As if each came when the one before it had run alone, so that others get in between.
        submitted_s = request.submitted_s
        for index, work in enumerate(works):
            self._queue.add(_Entry(work, request, index, submitted_s))
            submitted_s += self._cost(1, work.length)
        self._scheduler.wake(self)
        if self._queue and not self._sweeping:
            self._sweeping = True
            loop.call_later(SWEEP_S, self._sweep)
        results = await request.future
        caller.stages["queue"] = request.started_s - request.submitted_s
        caller.stages["model"] = request.ended_s - request.started_s
        return results

    def _sweep(self) -> None:
        """Let go of those whose deadline is over or whose caller left, while others wait on."""
        now_s = time.perf_counter()
        self._sweeping = bool(self._queue.drop(now_s))
        self._tell(now_s)
        if self._sweeping:
            pause_s = max(SWEEP_S, (time.perf_counter() - now_s) / SWEEP_SHARE)
            asyncio.get_running_loop().call_later(pause_s, self._sweep)

    async def close(self) -> None:
        """Fail what waits; what runs is still answered."""
        self._closed = True
        for entry in self._queue.clear():
            entry.request.fail(ShuttingDown("the service is being stopped"))

    def take(self) -> Run | None:
        """See `service.scheduler.Line`."""
        now_s = time.perf_counter()
        batch, reason = self._queue.take(now_s)
        self._tell(now_s)
        if not batch:
            return None
        for entry in batch:
            entry.request.started_s = entry.request.started_s or now_s
        return functools.partial(self._run_batch, batch, reason)

    def _tell(self, now_s: float) -> None:
        since_s = self._queue.oldest_s()
        age_s = max(0.0, now_s - since_s) if since_s else 0.0
        self._observer.waits(self._queue.positions, age_s)

    def _run_batch(
        self, batch: list[_Entry[Work, Result]], reason: str
    ) -> tuple[float, Callable[[], None]]:
        started_s = time.perf_counter()
        results = self._run_safely([entry.work for entry in batch])
        ended_s = time.perf_counter()
        seconds = ended_s - started_s

        def finish() -> None:
            for entry, result in zip(batch, results, strict=True):
                entry.request.ended_s = ended_s
                entry.resolve(result)
            lengths = [entry.length for entry in batch]
            usual = self._cost(len(lengths), max(lengths))
            self._seconds = RATE_MEMORY * self._seconds + min(seconds, OUTLIER * usual)
            self._positions = RATE_MEMORY * self._positions + sum(lengths)
            self._observer.ran(lengths, seconds, reason)

        return seconds, finish

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
