"""One thread that runs all models, a batch at a time; fair among them. No artificial waiting."""

import asyncio
import functools
import os
import queue
import threading
from collections.abc import Callable
from typing import Protocol

NICE = 10  # the thread yields to the event loop, so that what is refused is refused at once

# Called in the thread; gives the seconds it took, and what to call on the event loop afterwards.
Run = Callable[[], tuple[float, Callable[[], None]]]


class Line(Protocol):
    """A model's waiting work."""

    used_s: float
    """Seconds its runs have taken, as the scheduler counts them."""

    def take(self) -> Run | None:
        """The next run, or None: nothing waits."""


class Scheduler:
    """Gives the thread to the line that has used it least; used from one event loop.

    A model that was idle does not collect a claim (start-time fair queueing; Goyal et al. 1996).
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="model", daemon=True)
        self._thread.start()
        self._waiting: set[Line] = set()
        self._busy = False
        self._least_s = 0.0

    def wake(self, line: Line) -> None:
        """Something waits in this line."""
        if line not in self._waiting:
            line.used_s = max(line.used_s, self._least_s)
            self._waiting.add(line)
        if not self._busy:
            self._start()

    def close(self) -> None:
        """End the thread, once its run is over."""
        self._jobs.put(None)
        self._thread.join()

    def _start(self) -> None:
        self._busy = False
        while self._waiting:
            line = min(self._waiting, key=lambda line: line.used_s)
            self._least_s = line.used_s
            run = line.take()
            if run is None:
                self._waiting.discard(line)
                continue
            self._busy = True
            loop = asyncio.get_running_loop()
            self._jobs.put(functools.partial(self._run, loop, line, run))
            return

    def _run(self, loop: asyncio.AbstractEventLoop, line: Line, run: Run) -> None:
        loop.call_soon_threadsafe(self._finish, line, *run())

    def _finish(self, line: Line, seconds: float, finish: Callable[[], None]) -> None:
        line.used_s += seconds
        self._start()  # first, so that the thread need not wait for what is made of the results
        finish()

    def _work(self) -> None:
        give_way(NICE)
        while (job := self._jobs.get()) is not None:
            job()


def give_way(nice: int) -> None:
    """Lower the priority of this thread, for good: to get it back is not permitted."""
    nice = max(nice, os.getpriority(os.PRIO_PROCESS, 0))
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
