"""What waits, and what of it runs next: against a plain list, and on a clock of its own."""

from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from service.cost import Cost
from service.queue import Queue

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


def new_queue(max_positions: int = BATCH, patience_s: float = 1.0) -> Queue[Entry]:
    return Queue(COST, max_positions, patience_s)


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


def order(*entries: Entry, now_s: float = 10.0, patience_s: float = 5.0) -> list[Entry]:
    """In which they run; of lengths that do not run together."""
    queue = new_queue(patience_s=patience_s)
    fill(queue, *entries)
    return [queue.take(now_s)[0][0] for _ in entries]


def test_a_prompt_entry_passes_those_that_came_after_it_or_while_another_ran() -> None:
    long, longer = Entry(200, 9.1), Entry(LONG, 9.1)
    before, after, last = Entry(SHORT, 9.0), Entry(26, 9.2), Entry(43, 10.1)
    assert order(longer, long, last, after, before) == [before, long, after, longer, last]


def test_of_long_runs_the_one_that_waited_longest_for_its_squared_cost_goes_first() -> None:
    long, longer = Entry(200, 9.9), Entry(LONG, 9.9)
    assert order(longer, long) == [long, longer]
    longer.submitted_s = 9.4
    assert order(longer, long) == [longer, long], "0.6 s for 41 ms, against 0.1 s for 21 ms"


@pytest.mark.parametrize("patience_s", [1.0, 5.0])
def test_who_waited_for_longer_than_the_patience_lets_nobody_pass(patience_s: float) -> None:
    ran, old, short = Entry(200, 7.0), Entry(LONG, 8.0), Entry(SHORT, 9.5)
    expected = [old, short] if patience_s == 1.0 else [short, old]
    assert order(short, old, ran, patience_s=patience_s) == [ran, *expected]


@pytest.mark.parametrize("lengths", [(5, 30), (30, 5)])
def test_prompt_entries_alone_are_first_come_first_served(lengths: tuple[int, int]) -> None:
    entries = [Entry(length, 9.5 + index / 10) for index, length in enumerate(lengths)]
    assert order(*entries) == entries
    assert order(*reversed(entries)) == entries


def test_of_prompt_entries_whose_turn_it_is_the_shortest_goes_first() -> None:
    shortest, short, long = Entry(5, 9.5), Entry(30, 9.0), Entry(LONG, 9.6)
    assert order(long, short, shortest) == [shortest, short, long]


def test_what_is_not_prompt_runs_alone() -> None:
    assert len(order(Entry(200), Entry(200), Entry(LONG))) == 3


@pytest.mark.parametrize("backlog", [8, 80, 800])
def test_a_long_text_waits_only_for_the_short_ones_before_it(backlog: int) -> None:
    """As many short texts as run come anew, so that their queue never ends."""
    queue = new_queue(patience_s=60.0)
    now_s, long, older = 0.0, Entry(LONG), [Entry(SHORT) for _ in range(backlog)]
    fill(queue, *older, long)
    older_ended_s = 0.0
    for _ in range(10_000):
        batch, _ = queue.take(now_s)
        if long in batch:
            break
        now_s += COST(len(batch), SHORT)
        if older[-1] in batch:
            older_ended_s = now_s
        fill(queue, *(Entry(SHORT, now_s) for _ in batch))
    assert long in batch
    assert now_s == older_ended_s


@pytest.mark.parametrize("backlog", [2, 20])
def test_long_texts_take_turns_by_what_they_have_waited_for(backlog: int) -> None:
    """Two lengths, neither prompt, in a closed loop: each runs, and waits as its cost is."""
    queue = new_queue(patience_s=60.0)
    now_s, waits_s = 0.0, {100: [0.0], 200: [0.0]}
    fill(queue, *(Entry(length) for length in waits_s for _ in range(backlog)))
    for _ in range(40 * backlog):
        (entry,), _ = queue.take(now_s)
        waits_s[entry.length].append(now_s - entry.submitted_s)
        now_s += COST(1, entry.length)
        queue.add(Entry(entry.length, now_s))
    cycle_s = backlog * sum(COST(1, length) for length in waits_s)
    assert max(waits_s[100]) < cycle_s
    assert max(waits_s[200]) < 3 * cycle_s


def test_short_texts_do_not_wait_for_all_of_many_long_ones() -> None:
    """Long texts fill the queue; a short one comes during every run."""
    queue = new_queue(patience_s=60.0)
    now_s, waits_s = 0.0, []
    fill(queue, *(Entry(LONG) for _ in range(50)))
    while queue:
        batch, _ = queue.take(now_s)
        waits_s += [now_s - entry.submitted_s for entry in batch if entry.length == SHORT]
        cost_s = COST(len(batch), batch[0].length)
        if batch[0].length == LONG:
            queue.add(Entry(SHORT, now_s + cost_s / 2))
        now_s += cost_s
    assert len(waits_s) == 50
    assert max(waits_s) <= COST(1, LONG)
