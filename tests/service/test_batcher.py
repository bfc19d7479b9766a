"""The batcher alone: what must hold whatever callers and the model do."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import pytest

from service.batcher import Batcher
from service.errors import Overloaded, ShuttingDown


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


def submit(batcher: Batcher[Work, str], *works: Work) -> asyncio.Task[list[str]]:
    return asyncio.create_task(batcher.submit(works))


Test = Callable[[Model, Batcher[Work, str]], Coroutine[Any, Any, None]]


def run(test: Test, max_batch_positions: int = 100, max_queue_positions: int = 1000) -> None:
    """Run a test with a model and its batcher, which is closed after it."""

    async def run() -> None:
        model = Model()
        batcher = Batcher(model, max_batch_positions, max_queue_positions)
        await test(model, batcher)
        await batcher.close()

    asyncio.run(asyncio.wait_for(run(), 10))


def test_a_lone_work_is_not_held_back() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        assert await batcher.submit([Work("a")]) == ["A"]

    run(test)


def test_what_arrives_during_a_run_is_the_next_batch() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        first = await model.hold(batcher)
        others = [submit(batcher, Work(name)) for name in "abc"]
        await asyncio.sleep(0)
        model.release()
        assert await asyncio.gather(first, *others) == [["FIRST"], ["A"], ["B"], ["C"]]
        assert model.batches == [["first"], ["a", "b", "c"]]

    run(test)


def test_a_full_batch_leaves_the_rest_for_the_next() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        results = await batcher.submit([Work(str(index)) for index in range(10)])
        assert results == [str(index) for index in range(10)]
        assert [len(batch) for batch in model.batches] == [4, 4, 2]

    run(test, max_batch_positions=20)


@pytest.mark.parametrize("victim", [0, 1, 2])
def test_a_cancelled_request_does_not_affect_its_batch(victim: int) -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        first = await model.hold(batcher)
        tasks = [submit(batcher, Work(name)) for name in "abc"]
        await asyncio.sleep(0)
        await model.step()
        tasks[victim].cancel()
        await asyncio.gather(tasks[victim], return_exceptions=True)
        model.release()
        assert await first == ["FIRST"]
        assert model.batches[1:] == [["a", "b", "c"]], "it was cancelled while its batch ran"
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for index, result in enumerate(results):
            if index != victim:
                assert result == ["ABC"[index]]
        assert await batcher.submit([Work("later")]) == ["LATER"]

    run(test)


def test_what_is_cancelled_while_it_waits_never_runs() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        first = await model.hold(batcher)
        gone = submit(batcher, Work("gone"), Work("gone too"))
        stays = submit(batcher, Work("stays"))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        model.release()
        assert await asyncio.gather(first, stays) == [["FIRST"], ["STAYS"]]
        assert model.batches == [["first"], ["stays"]]
        assert batcher.waiting_positions == 0

    run(test)


def test_a_callers_timeout_leaves_the_others_alone() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        first = await model.hold(batcher)
        stays = submit(batcher, Work("stays"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(batcher.submit([Work("late")]), 0.01)
        model.release()
        assert await asyncio.gather(first, stays) == [["FIRST"], ["STAYS"]]

    run(test)


def test_an_error_stays_with_the_culprit_and_the_thread_lives() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        model.culprits = {"b"}
        first = await model.hold(batcher)
        tasks = [submit(batcher, Work(name)) for name in "abc"]
        await asyncio.sleep(0)
        model.release()
        await first
        a, b, c = await asyncio.gather(*tasks, return_exceptions=True)
        assert (a, c) == (["A"], ["C"])
        assert isinstance(b, ValueError)
        assert await batcher.submit([Work("later")]) == ["LATER"]

    run(test)


def test_a_request_with_a_culprit_fails_as_a_whole() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        model.culprits = {"b"}
        with pytest.raises(ValueError, match="culprit"):
            await batcher.submit([Work(name) for name in "abcd"])
        assert await batcher.submit([Work("later")]) == ["LATER"]
        assert ["d"] not in model.batches, "what waited for nobody did not run"

    run(test, max_batch_positions=5)


def test_a_wrong_number_of_results_is_an_error_not_a_mix_up() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        model.lost = True
        with pytest.raises(RuntimeError, match="1 works gave 0 results"):
            await batcher.submit([Work("a"), Work("b")])
        model.lost = False
        assert await batcher.submit([Work("later")]) == ["LATER"]

    run(test)


def test_more_than_may_wait_is_refused_whole() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        first = await model.hold(batcher)
        waits = submit(batcher, Work("a", 10))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as refused:
            await batcher.submit([Work("b", 5), Work("c", 6)])
        assert refused.value.retry_after_s >= 1
        fits = submit(batcher, Work("d", 10))
        model.release()
        assert await asyncio.gather(first, waits, fits) == [["FIRST"], ["A"], ["D"]]

    run(test, max_queue_positions=20)


def test_closing_leaves_nothing_pending() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        first = await model.hold(batcher)
        waits = submit(batcher, Work("a"), Work("b"))
        await asyncio.sleep(0)
        closing = asyncio.create_task(batcher.close())
        with pytest.raises(ShuttingDown):
            await waits
        model.release()
        await closing
        assert await first == ["FIRST"], "what was running is answered"
        with pytest.raises(ShuttingDown):
            await batcher.submit([Work("late")])

    run(test)


def test_batches_are_reported() -> None:
    async def test(model: Model, _: Batcher[Work, str]) -> None:
        seen: list[tuple[list[int], float]] = []
        batcher = Batcher(model, 100, 1000, lambda *batch: seen.append(batch))
        await batcher.submit([Work("a", 5), Work("b", 6)])
        await batcher.close()
        (lengths, seconds), *others = seen
        assert lengths == [5, 6]
        assert 0 < seconds < 5
        assert not others

    run(test)
