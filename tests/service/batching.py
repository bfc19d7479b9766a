"""A batcher whose model is held at will, for the tests that look at it alone."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from service.batcher import Batcher, Observer
from service.caller import Caller
from service.cost import Cost
from service.scheduler import Scheduler

COST = Cost(run=0.001, text=0.0001, position=0.00001)


@dataclass(frozen=True)
class Work:
    name: str
    length: int = 5


class Model:
    """Upper-cases names; can be held, and told to fail."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.started = threading.Event()
        self.permits: threading.Semaphore | None = None
        self.culprits: set[str] = set()
        self.lost = False

    def __call__(self, works: list[Work]) -> list[str]:
        self.batches.append([work.name for work in works])
        self.started.set()
        assert self.permits is None or self.permits.acquire(timeout=5)
        if self.culprits & {work.name for work in works}:
            raise ValueError("culprit")
        return [work.name.upper() for work in works][self.lost :]

    async def hold(self, batcher: Batcher[Work, str]) -> asyncio.Task[list[str]]:
        """Submit a work of its own, and hold the model at it."""
        self.permits = threading.Semaphore(0)
        first = submit(batcher, Work("first"))
        assert await asyncio.to_thread(self.started.wait, 5)
        return first

    async def step(self) -> None:
        """Let it finish this batch, and hold it at the next."""
        assert self.permits is not None
        self.started.clear()
        self.permits.release()
        assert await asyncio.to_thread(self.started.wait, 5)

    def release(self) -> None:
        """Hold it no more."""
        assert self.permits is not None
        held, self.permits = self.permits, None
        held.release()


class Observed:
    """What a batcher told."""

    def __init__(self) -> None:
        self.batches: list[tuple[list[int], str, float]] = []
        self.waits_now = (-1, 0.0)

    def waits(self, positions: int, age_s: float) -> None:
        self.waits_now = positions, age_s

    def ran(self, lengths: Sequence[int], seconds: float, reason: str) -> None:
        self.batches.append((list(lengths), reason, seconds))


def submit(
    batcher: Batcher[Work, str], *works: Work, caller: Caller | None = None
) -> asyncio.Task[list[str]]:
    return asyncio.create_task(batcher.submit(works, caller or Caller()))


def new_batcher(
    model: Model,
    scheduler: Scheduler,
    cost: Cost = COST,
    max_batch_positions: int = 100,
    max_queue_positions: int = 1000,
    max_queue_s: float = 60.0,
    observer: Observer | None = None,
) -> Batcher[Work, str]:
    return Batcher(
        model,
        scheduler,
        cost,
        max_batch_positions,
        max_queue_positions,
        max_queue_s,
        observer or Observed(),
    )


def with_batcher(
    test: Callable[[Model, Batcher[Work, str]], Coroutine[Any, Any, None]], **settings: Any
) -> None:
    """Run a test with a model and its batcher, which is closed after it."""

    async def run() -> None:
        model, scheduler = Model(), Scheduler()
        batcher = new_batcher(model, scheduler, **settings)
        try:
            await asyncio.wait_for(test(model, batcher), 10)
        finally:
            await batcher.close()
            scheduler.close()

    asyncio.run(run())
