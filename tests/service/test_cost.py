"""What a run costs, measured with a clock that only runs of the model move."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cost import Cost, calibrate

PARTS = st.builds(Cost, st.floats(1e-5, 1e-2), st.floats(1e-5, 1e-3), st.floats(1e-6, 1e-4))


class Machine:
    """Runs take what `takes` says, on a clock of its own; no other time passes."""

    def __init__(self, takes: Callable[[int, int], float]):
        self.takes = takes
        self.now_s = 0.0
        self.shapes: list[tuple[int, int]] = []

    def run(self, texts: int, length: int) -> None:
        self.now_s += self.takes(texts, length)
        self.shapes.append((texts, length))

    def calibrate(self, max_length: int = 512, max_positions: int = 512) -> Cost:
        return calibrate(self.run, max_length, max_positions, lambda: self.now_s)


def parts(found: Cost) -> tuple[float, float, float]:
    return found.run, found.text, found.position


def test_a_cost_is_the_sum_of_its_parts() -> None:
    known = Cost(run=0.5, text=0.25, position=0.125)
    assert known(1, 1) == 0.875
    assert known(3, 4) == 0.5 + 3 * (0.25 + 4 * 0.125)
    assert known.run_positions == 4


@given(PARTS)
def test_calibrate_recovers_a_known_cost(known: Cost) -> None:
    assert parts(Machine(known).calibrate()) == pytest.approx(parts(known), rel=1e-4)


@given(PARTS, st.integers(0, 3), st.floats(1, 100))
def test_one_quiet_turn_is_enough(known: Cost, quiet: int, slower: float) -> None:
    """Three of the four turns are disturbed, each shape in all of them."""
    machine = Machine(known)
    turns: dict[tuple[int, int], int] = {}

    def takes(texts: int, length: int) -> float:
        turn = turns.get((texts, length), 0)
        turns[texts, length] = turn + 1
        return known(texts, length) * (1 if turn == quiet else slower)

    machine.takes = takes
    assert parts(machine.calibrate()) == pytest.approx(parts(known), rel=1e-4)


@given(PARTS, st.integers(1, 60), st.integers(1, 300))
def test_no_run_is_larger_than_the_model_takes(
    known: Cost, max_length: int, max_positions: int
) -> None:
    machine = Machine(known)
    found = machine.calibrate(max_length, max_positions)
    assert machine.shapes
    assert all(length <= max_length for _, length in machine.shapes)
    assert all(texts * length <= max_positions for texts, length in machine.shapes)
    assert min(parts(found)) > 0
    for texts, length in set(machine.shapes):
        assert found(texts, length) == pytest.approx(known(texts, length), rel=1e-4)


def test_a_model_of_single_positions_is_measured_too() -> None:
    machine = Machine(Cost(0.001, 0.001, 0.001))
    found = machine.calibrate(max_length=1)
    assert set(machine.shapes) == {(1, 1)}
    assert parts(found) == pytest.approx((0.001, 0.001, 0.001))


@given(st.lists(st.floats(0, 1), min_size=100, max_size=100))
def test_no_part_is_ever_zero_or_less(times: list[float]) -> None:
    """Whatever the clock says, even that runs take no time, or that larger ones take less."""
    drawn = iter(times)
    found = Machine(lambda texts, length: next(drawn)).calibrate()
    assert min(parts(found)) > 0
    assert found.run_positions > 0


@pytest.mark.parametrize(
    "takes",
    [
        lambda texts, length: 0.0,
        lambda texts, length: 0.001,
        lambda texts, length: 1 / (texts * length),
    ],
)
def test_a_model_that_does_not_slow_down_with_its_batch(
    takes: Callable[[int, int], float],
) -> None:
    assert min(parts(Machine(takes).calibrate())) > 0
