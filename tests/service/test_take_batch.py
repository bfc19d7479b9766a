"""Which inputs run together: a pure decision."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.queue import take_batch

WAITING = st.dictionaries(st.integers(1, 60), st.integers(1, 9), min_size=1, max_size=12)
RUN_POSITIONS = st.integers(1, 200) | st.floats(1e-6, 1e9)
MANY = 10**9


def shape(counts: dict[int, int]) -> tuple[int, int]:
    """Positions with padding, and how many of them are padding."""
    positions = max(counts) * sum(counts.values())
    return positions, positions - sum(length * number for length, number in counts.items())


def plus_one(counts: dict[int, int], length: int) -> dict[int, int]:
    return counts | {length: counts.get(length, 0) + 1}


@given(WAITING, st.data(), RUN_POSITIONS, st.integers(1, 400))
@example({50: 1, 3: 1}, None, 10, 40)
@example({50: 2, 3: 1}, None, 1e9, 40)
def test_take_batch_keeps_its_promises(
    waiting: dict[int, int], data: st.DataObject | None, run_positions: float, max_positions: int
) -> None:
    seed = data.draw(st.sampled_from(sorted(waiting))) if data else max(waiting)
    counts, full = take_batch(waiting, seed, run_positions, max_positions)
    assert counts[seed] >= 1, "the seed is in"
    assert all(1 <= number <= waiting[length] for length, number in counts.items())
    positions, padding = shape(counts)
    assert padding < run_positions, "padding is cheaper than one run more"
    assert positions <= max_positions or sum(counts.values()) == 1

    left = [length for length, number in waiting.items() if number > counts.get(length, 0)]
    sizes = [shape(plus_one(counts, length)) for length in left]
    too_many = [positions > max_positions for positions, _ in sizes]
    too_padded = [padding >= run_positions * (1 - 1e-12) for _, padding in sizes]
    assert all(map(any, zip(too_many, too_padded, strict=True))), "nothing is left that would fit"
    if full:
        assert any(too_many), "full: more than the longest batch wants in"
    else:
        assert all(too_padded), "not full: lengths alone kept the others out"


@given(st.integers(1, 60), st.integers(1, 99), RUN_POSITIONS, st.integers(1, 400))
def test_equal_lengths_fill_the_batch(
    length: int, number: int, run_positions: float, max_positions: int
) -> None:
    fit = max(1, max_positions // length)
    chosen = take_batch({length: number}, length, run_positions, max_positions)
    assert chosen == ({length: min(number, fit)}, number > fit)


@pytest.mark.parametrize(
    ("seed", "run_positions", "counts"),
    [
        (10, 8, {10: 2, 11: 1, 9: 1}),  # 4 of padding; 3 would make it 12, 40 more
        (10, 4, {10: 2, 11: 1}),
        (10, 1, {10: 2}),
        (40, 8, {40: 1}),
        (3, 8, {3: 1, 9: 1}),
        (10, MANY, {3: 1, 9: 1, 10: 2, 11: 1, 40: 1}),
    ],
)
def test_near_lengths_run_together_and_the_far_wait(
    seed: int, run_positions: int, counts: dict[int, int]
) -> None:
    waiting = {10: 2, 40: 1, 11: 1, 9: 1, 3: 1}
    assert take_batch(waiting, seed, run_positions, MANY) == (counts, False)


@pytest.mark.parametrize(("others", "full"), [({}, False), ({3: 1}, False), ({50: 1}, True)])
def test_what_is_longer_than_a_batch_runs_alone(others: dict[int, int], full: bool) -> None:
    waiting = {50: 1 + others.pop(50, 0)} | others
    assert take_batch(waiting, 50, run_positions=10, max_positions=40) == ({50: 1}, full)


def test_a_batch_that_only_its_longest_makes_too_large_stays_without_it() -> None:
    assert take_batch({10: 4, 12: 1}, 10, MANY, 40) == ({10: 4}, True)
