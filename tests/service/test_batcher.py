"""The batcher alone: what must hold whatever callers and the model do."""

import asyncio
import time

import pytest

from service.batcher import Batcher
from service.caller import Caller
from service.cost import Cost
from service.errors import ShuttingDown
from tests.service.batching import Model, Observed, Work, new_batcher, submit, with_batcher


def test_a_lone_work_is_not_held_back() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        assert await batcher.submit([Work("a")], Caller()) == ["A"]

    with_batcher(test)


def test_what_arrives_during_a_run_is_the_next_batch() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        first = await model.hold(batcher)
        others = [submit(batcher, Work(name)) for name in "abc"]
        await asyncio.sleep(0)
        model.release()
        assert await asyncio.gather(first, *others) == [["FIRST"], ["A"], ["B"], ["C"]]
        assert model.batches == [["first"], ["a", "b", "c"]]

    with_batcher(test)


def test_a_full_batch_leaves_the_rest_for_the_next() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        results = await batcher.submit([Work(str(index)) for index in range(10)], Caller())
        assert results == [str(index) for index in range(10)]
        assert [len(batch) for batch in model.batches] == [4, 4, 2]

    with_batcher(test, max_batch_positions=20)


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
        assert await batcher.submit([Work("later")], Caller()) == ["LATER"]

    with_batcher(test)


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

    with_batcher(test)


def test_a_callers_timeout_leaves_the_others_alone() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        first = await model.hold(batcher)
        stays = submit(batcher, Work("stays"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(batcher.submit([Work("late")], Caller()), 0.01)
        model.release()
        assert await asyncio.gather(first, stays) == [["FIRST"], ["STAYS"]]

    with_batcher(test)


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
        assert await batcher.submit([Work("later")], Caller()) == ["LATER"]

    with_batcher(test)


def test_a_request_with_a_culprit_fails_as_a_whole() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        model.culprits = {"b"}
        with pytest.raises(ValueError, match="culprit"):
            await batcher.submit([Work(name) for name in "abcd"], Caller())
        assert await batcher.submit([Work("later")], Caller()) == ["LATER"]
        assert ["d"] not in model.batches, "what waited for nobody did not run"

    with_batcher(test, max_batch_positions=5)


def test_a_wrong_number_of_results_is_an_error_not_a_mix_up() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        model.lost = True
        with pytest.raises(RuntimeError, match="1 works gave 0 results"):
            await batcher.submit([Work("a"), Work("b")], Caller())
        model.lost = False
        assert await batcher.submit([Work("later")], Caller()) == ["LATER"]

    with_batcher(test)


def test_closing_leaves_nothing_pending() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        first = await model.hold(batcher)
        waits = submit(batcher, Work("a"), Work("b"))
        await asyncio.sleep(0)
        await batcher.close()
        with pytest.raises(ShuttingDown):
            await waits
        with pytest.raises(ShuttingDown):
            await batcher.submit([Work("late")], Caller())
        assert not first.done()
        model.release()
        assert await first == ["FIRST"], "what was running is answered"
        assert model.batches == [["first"]]
        assert batcher.waiting_positions == 0

    with_batcher(test)


def test_batches_are_reported_and_why_they_held_no_more() -> None:
    observed = Observed()

    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        first = await model.hold(batcher)
        works = [Work(name, length) for name, length in zip("abcd", (5, 6, 5, 17), strict=True)]
        others = submit(batcher, *works)
        await asyncio.sleep(0)
        model.release()
        await asyncio.gather(first, others)
        assert [batch[:2] for batch in observed.batches] == [
            ([5], "all"),
            ([5, 5], "full"),
            ([6], "lengths"),
            ([17], "all"),
        ]
        assert all(0 < seconds < 5 for _, _, seconds in observed.batches)

    with_batcher(test, max_batch_positions=11, cost=Cost(0.005, 0.0, 0.001), observer=observed)


def test_what_waits_is_reported() -> None:
    observed = Observed()

    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        first = await model.hold(batcher)
        assert observed.waits_now == (0, 0.0)
        other = submit(batcher, Work("a", 7))
        while not observed.waits_now[0]:
            await asyncio.sleep(0.001)
        positions, age_s = observed.waits_now
        assert positions == 7, "told while the model was still busy"
        assert 0 < age_s < 5
        model.release()
        await asyncio.gather(first, other)
        await asyncio.sleep(0)
        assert observed.waits_now == (0, 0.0)

    with_batcher(test, observer=observed)


def test_an_answer_says_how_long_it_waited_and_ran() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        first = await model.hold(batcher)
        caller, started_s = Caller(), time.perf_counter()
        other = asyncio.create_task(batcher.submit([Work("a"), Work("b")], caller))
        await asyncio.sleep(0)
        submitted_s = time.perf_counter()
        await asyncio.sleep(0.01)
        released_s = time.perf_counter()
        model.release()
        await asyncio.gather(first, other)
        assert set(caller.stages) == {"queue", "model"}
        assert caller.stages["queue"] >= released_s - submitted_s
        assert caller.stages["model"] > 0
        assert sum(caller.stages.values()) <= time.perf_counter() - started_s

    with_batcher(test)


def test_the_wait_ends_when_the_first_of_a_request_runs() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        await model.hold(batcher)
        caller = Caller()
        both = submit(batcher, Work("a"), Work("b"), caller=caller)
        await model.step()
        held_s = time.perf_counter()
        await asyncio.sleep(0.01)
        held_s = time.perf_counter() - held_s
        model.release()
        await both
        assert model.batches == [["first"], ["a"], ["b"]]
        assert caller.stages["model"] >= held_s

    with_batcher(test, max_batch_positions=5)


def test_two_models_on_one_thread_do_not_mix() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        other_model = Model()
        other_model.culprits = {"b"}
        other = new_batcher(other_model, batcher._scheduler)
        first = await model.hold(batcher)
        tasks = [submit(each, Work(name)) for name in "abc" for each in (batcher, other)]
        await asyncio.sleep(0)
        model.release()
        results = await asyncio.gather(first, *tasks, return_exceptions=True)
        assert [r for r in results if isinstance(r, list)] == [
            *(["FIRST"], ["A"], ["A"], ["B"], ["C"], ["C"])
        ]
        assert model.batches == [["first"], ["a", "b", "c"]]
        assert other_model.batches == [["a", "b", "c"], ["a"], ["b"], ["c"]]

    with_batcher(test)


def test_a_single_work_gets_in_between_the_many_of_another_request() -> None:
    async def test(model: Model, batcher: Batcher[Work, str]) -> None:
        await model.hold(batcher)
        many = submit(batcher, *(Work(str(number)) for number in range(50)))
        await asyncio.sleep(0.1)
        single = submit(batcher, Work("single"))
        model.release()
        await single
        assert not many.done()
        await many
        ran = [name for batch in model.batches for name in batch]
        assert 3 < ran.index("single") < 40

    with_batcher(test, max_batch_positions=10, cost=Cost(0.02, 1e-9, 1e-9))
