"""Who is dropped before the model runs for nobody, and who is refused at once."""

import asyncio
import time

import pytest

from service.batcher import SWEEP_S, Batcher
from service.caller import Caller
from service.cost import Cost
from service.errors import ClientLeft, DeadlineExceeded, Overloaded
from tests.service.batching import Model, Work, submit, with_batcher

SECOND = Cost(run=1e-9, text=1e-9, position=1.0)  # a second for each position


class Guest:
    """Stays until told otherwise."""

    def __init__(self) -> None:
        self.gone = False
        self.caller = Caller(left=lambda: self.gone)


def patience(seconds: float) -> Caller:
    return Caller(time.perf_counter() + seconds)


@pytest.mark.parametrize("patience_s", [0.01, 3 * SWEEP_S])
def test_a_deadline_is_over_while_the_model_is_still_busy(patience_s: float) -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        first = await model.hold(batcher)
        stays = submit(batcher, Work("stays"), caller=patience(60))
        with pytest.raises(DeadlineExceeded):
            await batcher.submit([Work("late"), Work("late too")], patience(patience_s))
        assert not first.done()
        assert batcher.waiting_positions == Work("stays").length
        model.release()
        assert await asyncio.gather(first, stays) == [["FIRST"], ["STAYS"]]
        assert model.batches == [["first"], ["stays"]]

    with_batcher(test)


def test_one_whose_turn_comes_first_is_dropped_then() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        first = await model.hold(batcher)
        caller = patience(60)
        late, stays = submit(batcher, Work("late"), caller=caller), submit(batcher, Work("stays"))
        await asyncio.sleep(0)
        caller.deadline_s = time.perf_counter()
        model.release()
        assert await asyncio.gather(first, stays) == [["FIRST"], ["STAYS"]]
        with pytest.raises(DeadlineExceeded):
            await late
        assert model.batches == [["first"], ["stays"]]

    with_batcher(test)


def test_what_cannot_be_met_is_never_run() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        with pytest.raises(DeadlineExceeded):
            await batcher.submit([Work("ten seconds", 10)], patience(5))
        assert await batcher.submit([Work("two", 2)], patience(5)) == ["TWO"]
        assert model.batches == [["two"]]

    with_batcher(test, cost=SECOND)


def test_an_answer_is_given_when_its_run_took_longer_than_thought() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        caller = patience(60)
        first = await model.hold(batcher)
        second = submit(batcher, Work("second"), caller=caller)
        await asyncio.sleep(0)
        await model.step()
        caller.deadline_s = time.perf_counter()
        model.release()
        assert await asyncio.gather(first, second) == [["FIRST"], ["SECOND"]]

    with_batcher(test)


def test_who_left_is_dropped_while_the_model_is_still_busy() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        guest = Guest()
        first = await model.hold(batcher)
        leaves = submit(batcher, Work("a"), Work("b"), caller=guest.caller)
        await asyncio.sleep(0)
        guest.gone = True
        with pytest.raises(ClientLeft):
            await leaves
        assert not first.done()
        assert batcher.waiting_positions == 0
        model.release()
        assert await first == ["FIRST"]
        assert model.batches == [["first"]]

    with_batcher(test)


@pytest.mark.parametrize("victim", [0, 1, 2])
def test_who_left_changes_nothing_for_the_others(victim: int) -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        guests = [Guest() for _ in range(3)]
        first = await model.hold(batcher)
        names = [f"{index}" for index in range(3)]
        tasks = [
            submit(batcher, Work(name), caller=guest.caller)
            for name, guest in zip(names, guests, strict=True)
        ]
        await asyncio.sleep(0)
        guests[victim].gone = True
        model.release()
        results = await asyncio.gather(first, *tasks, return_exceptions=True)
        assert isinstance(results.pop(1 + victim), ClientLeft)
        stay = [name for name in names if name != str(victim)]
        assert results == [["FIRST"], *([name] for name in stay)]
        assert model.batches == [["first"], stay]

    with_batcher(test)


def test_who_leaves_between_two_batches_is_not_run_to_the_end() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        guest = Guest()
        await model.hold(batcher)
        leaves = submit(batcher, *(Work(name) for name in "abcd"), caller=guest.caller)
        await asyncio.sleep(0)
        await model.step()
        guest.gone = True
        model.release()
        with pytest.raises(ClientLeft):
            await leaves
        assert model.batches == [["first"], ["a", "b"]]

    with_batcher(test, max_batch_positions=10)


async def retry_after(batcher: Batcher[Work, str]) -> int:
    with pytest.raises(Overloaded) as refused:
        await batcher.submit([Work("refused")], Caller())
    return refused.value.retry_after_s


def test_a_longer_wait_than_allowed_is_refused_by_what_it_would_cost() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        first = await model.hold(batcher)
        waits = [submit(batcher, Work("a", 10)), submit(batcher, Work("b", 11))]
        await asyncio.sleep(0)
        assert await retry_after(batcher) == 21, "seconds, by the cost of what waits"
        with pytest.raises(Overloaded, match=r"21 positions are waiting, about 21\.0 s; at most"):
            batcher.check_room(1)
        model.release()
        await asyncio.gather(first, *waits)
        batcher.check_room(1)

    with_batcher(test, cost=SECOND, max_queue_s=20)


def test_retry_after_follows_the_measured_rate() -> None:
    """A model that works at another rate than was thought: seconds a position, as last measured."""

    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        first = await model.hold(batcher)
        waits = submit(batcher, Work("long", 1000))
        await asyncio.sleep(0)
        assert await retry_after(batcher) == 1_000_000, "nothing was measured yet"
        waits.cancel()
        model.release()
        await first
        for _ in range(5):
            await batcher.submit([Work("quick", 1000)], Caller())
        first = await model.hold(batcher)
        waits = submit(batcher, Work("long", 1000))
        await asyncio.sleep(0)
        told_s = await retry_after(batcher)
        positions = 5 * 0.9**5 + sum(1000 * 0.9**runs_ago for runs_ago in range(5))
        assert told_s == pytest.approx(1000 * (1000 * 0.9**6) / positions, rel=0.02)
        waits.cancel()
        model.release()
        await first

    with_batcher(test, cost=Cost(1e-9, 1e-9, 1000.0), max_queue_positions=9999, max_queue_s=1)


def test_more_than_may_wait_is_refused_whole() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        first = await model.hold(batcher)
        waits = submit(batcher, Work("a", 10))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as refused:
            await batcher.submit([Work("b", 5), Work("c", 6)], Caller())
        assert refused.value.retry_after_s >= 1
        assert batcher.waiting_positions == 10, "it took no room"
        fits = submit(batcher, Work("d", 10))
        model.release()
        assert await asyncio.gather(first, waits, fits) == [["FIRST"], ["A"], ["D"]]

    with_batcher(test, max_queue_positions=20)


def test_after_a_refusal_there_is_room_when_a_tenth_is_done() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        await model.hold(batcher)
        waits = [submit(batcher, Work(str(number), 10)) for number in range(10)]
        await asyncio.sleep(0)
        batcher.check_room(0)
        with pytest.raises(Overloaded):
            batcher.check_room(1)
        with pytest.raises(Overloaded):
            batcher.check_room(0)
        await model.step()  # another ten positions run
        assert batcher.waiting_positions == 90
        batcher.check_room(10)
        with pytest.raises(Overloaded):
            batcher.check_room(11)
        batcher.check_room(10)
        model.release()
        await asyncio.gather(*waits)

    with_batcher(test, max_queue_positions=100, max_batch_positions=10)
