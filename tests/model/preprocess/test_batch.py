import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model.preprocess.batch import pad
from model.preprocess.text import EncodedText
from model.preprocess.vectors import EncodedVectors


@given(st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=9), min_size=1, max_size=7))
def test_items_stand_at_the_left_and_zeros_fill_the_rest(items):
    arrays = pad([EncodedText(np.array(item, np.int64), None, [], []) for item in items])
    padded, valid = arrays["token_ids"], arrays["valid"]
    longest = max(map(len, items))
    assert padded.dtype == np.int64
    assert valid.dtype == np.bool_
    assert padded.tolist() == [item + [0] * (longest - len(item)) for item in items]
    assert valid.tolist() == [[True] * len(i) + [False] * (longest - len(i)) for i in items]


def test_every_array_has_its_own_length_and_edges_are_filled_with_none():
    sizes = ((4, 9), (2, 3))
    items = [
        EncodedVectors(
            {
                "vectors": np.full((nodes, 5), nodes, np.float32),
                "edges": np.full((edges, 2), nodes - 1),
            }
        )
        for nodes, edges in sizes
    ]
    arrays = pad(items)
    assert arrays["vectors"].shape == (2, 4, 5)
    assert arrays["vectors"].dtype == np.float32
    assert arrays["vectors"][1].tolist() == [[2.0] * 5] * 2 + [[0.0] * 5] * 2
    assert arrays["edges"].shape == (2, 9, 2)
    assert arrays["edges"][1].tolist() == [[1, 1]] * 3 + [[-1, -1]] * 6
    assert arrays["valid"].sum(1).tolist() == [4, 2]
