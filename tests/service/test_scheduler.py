"""One thread for all models, fairly; runs say how long they took, so no time need pass."""

import asyncio
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.scheduler import Run, Scheduler

ROOT = Path(__file__).parents[2]


class Line:
    """Runs that each say they took so many seconds.

    Args:
        log: gets the name of the line for each of its runs, in their order.
        work: called in the thread by each run.
    """

    def __init__(
        self,
        name: str,
        log: list[str],
        seconds: Iterator[float],
        work: Callable[[], object] = lambda: None,
    ):
        self.name = name
        self.log = log
        self.used_s = 0.0
        self.seconds = seconds
        self.work = work
        self.taken_s = 0.0
        self.ended = asyncio.Event()

    def take(self) -> Run | None:
        seconds = next(self.seconds, None)
        if seconds is None:
            self.ended.set()
            return None

        def run() -> tuple[float, Callable[[], None]]:
            self.work()
            self.log.append(self.name)
            self.taken_s += seconds
            return seconds, lambda: None

        return run


def times(number: int, seconds: float) -> Iterator[float]:
    return iter([seconds] * number)


def scheduled(test: Callable[[Scheduler], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        scheduler = Scheduler()
        try:
            await test(scheduler)
        finally:
            scheduler.close()

    asyncio.run(asyncio.wait_for(run(), 10))


async def finish(scheduler: Scheduler, *lines: Line) -> None:
    for line in lines:
        scheduler.wake(line)
    await asyncio.gather(*(line.ended.wait() for line in lines))


@pytest.mark.parametrize("ratio", [1, 3, 10])
def test_two_busy_models_get_equal_shares_of_time(ratio: int) -> None:
    async def test(scheduler: Scheduler) -> None:
        log: list[str] = []
        slow, fast = Line("slow", log, times(30, ratio)), Line("fast", log, times(30 * ratio, 1))
        await finish(scheduler, slow, fast)
        for end in range(1, len(log)):
            ran = Counter(log[:end])
            if ran["slow"] < 30 and ran["fast"] < 30 * ratio:
                assert abs(ran["slow"] * ratio - ran["fast"]) <= ratio, "a run apart at the most"
        assert slow.taken_s == fast.taken_s

    scheduled(test)


def test_five_models_get_equal_shares_of_time() -> None:
    async def test(scheduler: Scheduler) -> None:
        log: list[str] = []
        lines = [Line(str(run), log, times(60 // run, run)) for run in (1, 2, 3, 4, 5)]
        await finish(scheduler, *lines)
        for end in range(1, 60):
            used = [Counter(log[:end])[line.name] * int(line.name) for line in lines]
            assert max(used) - min(used) <= 5

    scheduled(test)


def test_an_idle_model_collects_no_claim() -> None:
    """However much the one has used, and the other not, from now on they share."""

    async def test(scheduler: Scheduler) -> None:
        log: list[str] = []
        busy = Line("busy", log, times(1000, 1))
        await finish(scheduler, busy)
        busy.seconds, busy.ended = times(40, 1), asyncio.Event()
        log.clear()
        await finish(scheduler, Line("idle", log, times(40, 1)), busy)
        assert abs(Counter(log[:40])["busy"] - 20) <= 1

    scheduled(test)


def test_a_model_that_comes_back_shares_at_once_with_the_busy_one() -> None:
    async def test(scheduler: Scheduler) -> None:
        log: list[str] = []
        loop = asyncio.get_running_loop()
        idle = Line("idle", log, times(50, 1))

        def work() -> None:
            if len(log) == 100:
                loop.call_soon_threadsafe(scheduler.wake, idle)

        busy = Line("busy", log, times(300, 1), work)
        await finish(scheduler, busy)
        assert idle.ended.is_set()
        assert log[:100] == ["busy"] * 100
        assert abs(Counter(log[102:142])["idle"] - 20) <= 1, "turns, not all of its past"

    scheduled(test)


def test_nothing_runs_at_the_same_time_and_all_in_one_thread() -> None:
    async def test(scheduler: Scheduler) -> None:
        running = threading.Lock()
        threads: set[int] = set()
        overlaps: list[str] = []

        def work() -> None:
            if not running.acquire(blocking=False):
                overlaps.append("two at once")
                return
            threads.add(threading.get_ident())
            running.release()

        lines = [Line(str(index), [], times(100, 0.001), work) for index in range(4)]
        await finish(scheduler, *lines)
        assert not overlaps
        assert len(threads) == 1
        assert threading.get_ident() not in threads

    scheduled(test)


def test_closing_waits_for_the_run_and_ends_the_thread() -> None:
    async def test(scheduler: Scheduler) -> None:
        begun, gate = threading.Event(), threading.Event()
        log: list[str] = []

        def work() -> None:
            begun.set()
            assert gate.wait(5)

        line = Line("only", log, times(1, 1), work)
        scheduler.wake(line)
        assert await asyncio.to_thread(begun.wait, 5)
        closing = asyncio.create_task(asyncio.to_thread(scheduler.close))
        done, _ = await asyncio.wait([closing], timeout=0.02)
        assert not done
        assert not log
        gate.set()
        await closing
        assert log == ["only"], "the run was not cut off"
        await line.ended.wait()
        scheduler.close()  # a second time does no harm

    scheduled(test)


def test_waking_a_line_with_nothing_to_run_is_no_trouble() -> None:
    async def test(scheduler: Scheduler) -> None:
        log: list[str] = []
        await finish(scheduler, Line("empty", log, iter(())))
        await finish(scheduler, Line("one", log, times(1, 1)))
        assert log == ["one"]

    scheduled(test)


def test_the_thread_is_nice_and_no_less_so_than_its_process() -> None:
    """Whoever may not lower a niceness could not start the thread at all."""
    code = (
        "import os, threading, time\n"
        "from service.scheduler import Scheduler\n"
        "for nice in (0, 15):\n"
        "    os.nice(nice)\n"
        "    before, scheduler, found = os.nice(0), Scheduler(), []\n"
        "    scheduler._jobs.put(lambda: found.append(os.getpriority(os.PRIO_PROCESS, 0)))\n"
        "    scheduler.close()\n"
        "    assert found == [max(10, before)], found\n"
        "    assert os.nice(0) == before\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
