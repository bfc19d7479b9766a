"""Which inputs run next: a pure decision."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from service.batcher import RUN_POSITIONS, take_batch


@dataclass(eq=False)
class Entry:
    length: int
    abandoned: bool = False


def padding(batch: list[Entry]) -> int:
    lengths = [entry.length for entry in batch]
    return max(lengths) * len(lengths) - sum(lengths)


entries = st.builds(Entry, st.integers(1, 40), st.booleans())


@given(st.lists(entries, max_size=30), st.integers(1, 100))
def test_take_batch_keeps_its_promises(queue: list[Entry], max_positions: int) -> None:
    batch, rest = take_batch(queue, max_positions)
    waiting = [entry for entry in queue if not entry.abandoned]
    assert sorted(map(id, batch + rest)) == sorted(map(id, waiting)), "none lost, none twice"
    assert rest == [entry for entry in waiting if entry in rest], "oldest first"
    assert batch[:1] == waiting[:1], "the oldest always runs"
    if len(batch) > 1:
        assert max(entry.length for entry in batch) * len(batch) <= max_positions
        assert padding(batch) < RUN_POSITIONS


def test_take_batch_takes_near_lengths_and_leaves_the_far() -> None:
    queue = [Entry(length) for length in (10, 40, 11, 9, 10, 3)]
    batch, rest = take_batch(queue, 1000)
    assert [entry.length for entry in batch] == [10, 11, 9, 10]
    assert [entry.length for entry in rest] == [40, 3]


def test_take_batch_runs_an_entry_beyond_the_budget_alone() -> None:
    batch, rest = take_batch([Entry(50), Entry(50)], 40)
    assert len(batch) == len(rest) == 1
