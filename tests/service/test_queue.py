"""What waits, and what of it runs next: against a plain list, and on a clock of its own."""

from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from service.cost import Cost
from service.queue import PROMPT_S, Queue

COST = Cost(run=0.001, text=0.0001, position=0.0001)
BATCH = 60
LONG, SHORT = 400, 8


@dataclass(eq=False)
class Entry:
    length: int
    submitted_s: float = 0.0
    deadline_s: float = float("inf")
    left: bool = False
    dropped: bool = field(default=False, init=False)

    def expects(self, moment_s: float) -> bool:
        """Once it says no, the queue must let go of it."""
        self.dropped = self.dropped or self.left or moment_s > self.deadline_s
        return not self.dropped


def new_queue(max_positions: int = BATCH) -> Queue[Entry]:
    return Queue(COST, max_positions)


class QueueMachine(RuleBasedStateMachine):
    """A queue and a list of what should be in it, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1.0
        self.queue = new_queue()
        self.added: list[Entry] = []

    @property
    def waiting(self) -> list[Entry]:
        return [entry for entry in self.added if not entry.dropped]

    @rule(length=st.integers(1, 80), patience_s=st.none() | st.floats(0, 0.1))
    def add(self, length: int, patience_s: float | None) -> None:
        deadline_s = float("inf") if patience_s is None else self.now_s + patience_s
        self.added.append(Entry(length, self.now_s, deadline_s))
        self.queue.add(self.added[-1])

    @rule(length=st.integers(1, 80), number=st.integers(2, 9))
    def add_many(self, length: int, number: int) -> None:
        for _ in range(number):
            self.add(length, None)

    @rule(passed_s=st.floats(0, 0.05))
    def time_passes(self, passed_s: float) -> None:
        self.now_s += passed_s

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def somebody_leaves(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.waiting)).left = True

    @rule()
    def take(self) -> None:
        before = self.waiting
        batch, reason = self.queue.take(self.now_s)
        rest = [entry for entry in self.waiting if entry not in batch]
        assert len(set(map(id, batch))) == len(batch), "nothing twice"
        assert all(entry in before and not entry.dropped for entry in batch)
        assert (reason == "all") == (not rest)
        if not batch:
            assert not rest
        else:
            longest = max(entry.length for entry in batch)
            assert len(batch) * longest <= BATCH or len(batch) == 1
            ready_s = self.now_s + COST(len(batch), longest)
            assert all(entry.deadline_s >= ready_s and not entry.left for entry in batch)
        for length in {entry.length for entry in batch}:
            line = [entry for entry in before if entry.length == length and not entry.dropped]
            taken = [entry for entry in batch if entry.length == length]
            assert taken == line[: len(taken)], "the oldest of a length first"
        self.added = rest

    @rule()
    def drop(self) -> None:
        number = self.queue.drop(self.now_s)
        assert not any(entry.left or entry.deadline_s < self.now_s for entry in self.waiting)
        assert number == len(self.waiting)

    @rule()
    def clear(self) -> None:
        assert sorted(map(id, self.queue.clear())) == sorted(map(id, self.waiting))
        self.added.clear()

    @invariant()
    def counts_are_exact(self) -> None:
        waiting = self.waiting
        assert self.queue.positions == sum(entry.length for entry in waiting)
        assert bool(self.queue) == bool(waiting)
        assert self.queue.oldest_s() == min((e.submitted_s for e in waiting), default=None)


TestQueue = QueueMachine.TestCase


def fill(queue: Queue[Entry], *entries: Entry) -> None:
    for entry in entries:
        queue.add(entry)


@pytest.mark.parametrize("gone", [{"left": True}, {"deadline_s": 5.0}, {"deadline_s": 10.001}])
def test_what_nobody_awaits_makes_room_for_the_next(gone: dict[str, object]) -> None:
    queue = new_queue(20)
    late, first, second = Entry(10, **gone), Entry(10), Entry(10)
    fill(queue, late, first, second)
    assert queue.take(10.0) == ([first, second], "all")
    assert late.dropped


def test_a_batch_of_which_nobody_awaits_anything_is_passed_over() -> None:
    queue = new_queue()
    stays = Entry(50, 2.0)
    fill(queue, Entry(10, 1.0, deadline_s=10.001), Entry(10, 1.0, deadline_s=10.001), stays)
    assert queue.take(10.0) == ([stays], "all")
    assert queue.take(10.0) == ([], "all")


def test_why_a_batch_held_no_more() -> None:
    queue = new_queue(20)
    fill(queue, *(Entry(10) for _ in range(3)), Entry(SHORT, 1.0), Entry(LONG, 2.0))
    assert [queue.take(3.0)[1] for _ in range(3)] == ["full", "lengths", "all"]


def test_short_texts_pass_a_long_one_until_it_has_waited_its_share() -> None:
    def first(long_since_s: float, short_since_s: float) -> int:
        queue = new_queue()
        fill(queue, Entry(LONG, long_since_s), Entry(SHORT, short_since_s))
        return queue.take(10.0)[0][0].length

    assert first(9.9, 9.98) == SHORT, "four times PROMPT_S, against 2.4 times 41 ms"
    assert first(9.9, 9.99) == LONG, "twice PROMPT_S, against the same"
    assert first(9.0, 9.98) == LONG


@pytest.mark.parametrize("order", [(5, 30), (30, 5)])
def test_prompt_runs_are_first_come_first_served(order: tuple[int, int]) -> None:
    queue = new_queue()
    fill(queue, *(Entry(length, float(index)) for index, length in enumerate(order)))
    assert max(COST(1, length) for length in order) < PROMPT_S
    assert [queue.take(2.0)[0][0].length for _ in order] == list(order)


@pytest.mark.parametrize("backlog", [8, 80, 800])
def test_a_long_text_runs_however_many_short_ones_keep_coming(backlog: int) -> None:
    """As many short texts as run come anew, so that their queue never ends."""
    queue = new_queue()
    now_s, long = 0.0, Entry(LONG)
    fill(queue, *(Entry(SHORT) for _ in range(backlog)), long)
    longest_wait_s = 0.0
    for _ in range(10_000):
        batch, _ = queue.take(now_s)
        if long in batch:
            break
        longest_wait_s = max(longest_wait_s, *(now_s - entry.submitted_s for entry in batch))
        now_s += COST(len(batch), SHORT)
        fill(queue, *(Entry(SHORT, now_s) for _ in batch))
    assert long in batch
    assert now_s > 0, "short ones went first"
    patience = COST(1, LONG) / PROMPT_S  # it waits so many times as long as they
    assert now_s <= patience * longest_wait_s + 2 * COST(BATCH // SHORT, SHORT)


def test_short_texts_do_not_wait_for_all_of_many_long_ones() -> None:
    """Closed loop: long texts fill the queue; a short one comes during every run."""
    queue = new_queue()
    now_s, waits_s = 0.0, []
    fill(queue, *(Entry(LONG) for _ in range(50)), Entry(SHORT))
    while queue:
        batch, _ = queue.take(now_s)
        waits_s += [now_s - entry.submitted_s for entry in batch if entry.length == SHORT]
        cost_s = COST(len(batch), batch[0].length)
        if batch[0].length == LONG:
            queue.add(Entry(SHORT, now_s + cost_s / 2))
        now_s += cost_s
    assert len(waits_s) == 51
    assert sorted(waits_s)[len(waits_s) // 2] < 3 * COST(1, LONG)
