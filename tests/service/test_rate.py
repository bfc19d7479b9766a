"""The token bucket: never more than promised, and no wait that is too short."""

from itertools import accumulate
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.rate import ROUNDING_S, admit

pauses = st.lists(st.floats(0, 3) | st.just(0.0), min_size=1, max_size=60)
rates = st.floats(0.01, 1000)


def admitted(moments: list[float], per_s: float) -> list[float]:
    used_until_s, taken = -inf, []
    for now_s in moments:
        used_until_s, wait_s = admit(used_until_s, now_s, per_s)
        if not wait_s:
            taken.append(now_s)
    return taken


@given(pauses=pauses, per_s=rates)
def test_no_window_holds_more_than_its_time_allows(pauses: list[float], per_s: float) -> None:
    taken = admitted(list(accumulate(pauses)), per_s)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            allowed = max(1.0, per_s) + (taken[last] - taken[first] + ROUNDING_S) * per_s
            assert last - first + 1 <= allowed + 1e-6


@given(pauses=pauses, per_s=rates)
def test_whoever_waits_as_told_is_admitted_and_nobody_waits_in_vain(
    pauses: list[float], per_s: float
) -> None:
    used_until_s = -inf
    for now_s in accumulate(pauses):
        after_s, wait_s = admit(used_until_s, now_s, per_s)
        if wait_s:
            assert after_s == used_until_s
            assert admit(used_until_s, now_s + wait_s, per_s)[1] == 0
            assert admit(used_until_s, now_s + wait_s * 0.9 - 1e-5, per_s)[1] > 0
        used_until_s = after_s


@pytest.mark.parametrize(("per_s", "at_once"), [(0.1, 1), (1, 1), (2, 2), (10, 10), (49, 49)])
def test_a_second_s_worth_may_come_at_once(per_s: float, at_once: int) -> None:
    for start_s in (0.0, 123_456.789):
        assert len(admitted([start_s] * 100, per_s)) == at_once


def test_without_a_limit_all_are_admitted() -> None:
    assert len(admitted([5.0] * 100, inf)) == 100
