import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.config import GraphConfig
from model.errors import InputError
from model.preprocess.graph import Graph, GraphPreprocessor

FEATURES, MAX_NODES, MAX_EDGES = 3, 6, 20
PREPROCESSOR = GraphPreprocessor(
    GraphConfig(modality="graph", features=FEATURES, max_edges=MAX_EDGES), MAX_NODES
)


def nodes(number: int) -> list[list[float]]:
    return [[float(i), 0.5, -1.0] for i in range(number)]


def test_edges_go_both_ways_and_each_node_to_itself():
    encoded = PREPROCESSOR.encode(Graph(nodes(4), [[0, 2], [3, 2]]))
    expected = [[0, 0], [0, 2], [1, 1], [2, 0], [2, 2], [2, 3], [3, 2], [3, 3]]
    assert encoded.arrays["edges"].tolist() == expected
    assert encoded.arrays["edges"].dtype == np.int64
    assert encoded.arrays["vectors"].tolist() == nodes(4)
    assert encoded.arrays["vectors"].dtype == np.float32
    assert encoded.length == 4
    assert list(encoded.labelled) == [0, 1, 2, 3]
    assert PREPROCESSOR.place(2, 3) == {"node": 2}


@given(st.integers(1, MAX_NODES), st.data())
def test_an_edge_named_twice_or_the_other_way_round_is_one_edge(number, data):
    node = st.integers(0, number - 1)
    pairs = data.draw(st.lists(st.tuples(node, node), max_size=12))
    other = data.draw(st.permutations(pairs)) + [(j, i) for i, j in pairs]
    wide = GraphPreprocessor(
        GraphConfig(modality="graph", features=FEATURES, max_edges=100), MAX_NODES
    )
    once = wide.encode(Graph(nodes(number), pairs)).arrays["edges"]
    assert np.array_equal(once, wide.encode(Graph(nodes(number), other)).arrays["edges"])
    expected = {(i, i) for i in range(number)} | set(pairs) | {(j, i) for i, j in pairs}
    assert [*map(tuple, once.tolist())] == sorted(expected)


def test_a_nodes_numbers_may_be_made_shares():
    config = GraphConfig(modality="graph", features=FEATURES, shares=True, max_edges=MAX_EDGES)
    some = [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 2.0, 1.0], [-1.0, 1.0, 0.0]]
    vectors = GraphPreprocessor(config, MAX_NODES).encode(Graph(some, [])).arrays["vectors"]
    expected = [[0.5, 0.0, 0.5], [0.0, 0.0, 0.0], [0.25, 0.5, 0.25], [-0.5, 0.5, 0.0]]
    assert vectors.tolist() == expected
    assert vectors.dtype == np.float32


def test_a_hub_stands_in_front_and_is_tied_to_every_node():
    config = GraphConfig(modality="graph", features=FEATURES, hub=True, max_edges=MAX_EDGES)
    encoded = GraphPreprocessor(config, MAX_NODES).encode(Graph(nodes(3), [[2, 0]]))
    assert encoded.arrays["vectors"].tolist() == [[0.0] * FEATURES, *nodes(3)]
    pairs = {(0, 0), (1, 1), (2, 2), (3, 3), (3, 1), (1, 3)}
    pairs |= {(0, i) for i in (1, 2, 3)} | {(i, 0) for i in (1, 2, 3)}
    assert [*map(tuple, encoded.arrays["edges"].tolist())] == sorted(pairs)
    assert encoded.length == 4
    assert list(encoded.labelled) == [1, 2, 3]
    places = [GraphPreprocessor(config, MAX_NODES).place(i, i + 1) for i in range(4)]
    assert places == [{}, {"node": 0}, {"node": 1}, {"node": 2}]
    with pytest.raises(InputError, match="6 positions; at most 5"):
        GraphPreprocessor(config, MAX_NODES).encode(Graph(nodes(MAX_NODES), []))


@pytest.mark.parametrize("empty", [[], np.empty((0, 2), np.int64)])
def test_a_graph_needs_no_edge(empty):
    encoded = PREPROCESSOR.encode(Graph(nodes(2), empty))
    assert encoded.arrays["edges"].tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([[0, 1], [1, 2]], r"edge 1 is \[1, 2\]; nodes are 0 to 1"),
        ([[0, 1], [-1, 0]], r"edge 1 is \[-1, 0\]; nodes are 0 to 1"),
        ([[2**63, 2**63]], "edge 0 is .*; nodes are 0 to 1"),
        ([[0, 2**63]], "edges are pairs"),
        ([[0, 2**70]], "edges are pairs"),
        ([[0, 1.0]], "edges are pairs"),
        ([[0, 1], [1]], "edges are pairs"),
        ([[0, 1, 1]], "edges are pairs"),
        ([0, 1], "edges are pairs"),
        ([["a", "b"]], "edges are pairs"),
        ([[True, False]], "edges are pairs"),
        ([[None, 1]], "edges are pairs"),
        ([[[]]], "edges are pairs"),
    ],
)
def test_what_is_no_edge_is_refused(edges, message):
    with pytest.raises(InputError, match=message):
        PREPROCESSOR.encode(Graph(nodes(2), edges))


def test_too_many_edges_are_refused():
    every = [(i, j) for i in range(MAX_NODES) for j in range(i)]
    with pytest.raises(InputError, match=r"36 edges, .* at most 20 are allowed"):
        PREPROCESSOR.encode(Graph(nodes(MAX_NODES), every))
    assert len(PREPROCESSOR.encode(Graph(nodes(MAX_NODES), every[:7])).arrays["edges"]) == 20


def test_nodes_are_checked_as_vectors_are():
    for wrong in ([], [[1.0, 2.0]], nodes(MAX_NODES + 1), [[1.0, 2.0, float("nan")]]):
        with pytest.raises(InputError):
            PREPROCESSOR.encode(Graph(wrong, []))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=20,
)


@given(json_values, json_values)
def test_whatever_json_holds_is_encoded_or_refused(some, edges):
    for source in (Graph(some, edges), Graph(nodes(3), edges), Graph(some, [])):
        try:
            PREPROCESSOR.encode(source)
        except InputError:
            continue
