import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.preprocess.batch import pad


@given(st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=9), min_size=1, max_size=7))
def test_items_stand_at_the_left_and_zeros_fill_the_rest(items):
    padded, valid = pad([np.array(item, np.int64) for item in items])
    longest = max(map(len, items))
    assert padded.dtype == np.int64
    assert valid.dtype == np.bool_
    assert padded.tolist() == [item + [0] * (longest - len(item)) for item in items]
    assert valid.tolist() == [[True] * len(i) + [False] * (longest - len(i)) for i in items]
