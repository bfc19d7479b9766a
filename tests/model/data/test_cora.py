import pickle

import numpy as np
import pytest

from model.data import cora
from model.data.cora import TOPICS
from model.errors import DataError
from tests.planetoid import write

NODES, WORDS, TEST = 700, 11, [652, 650, 699, *range(653, 699), 651]


@pytest.fixture
def truth() -> tuple[np.ndarray, np.ndarray]:
    """Nodes (NODES, WORDS) and their topics (NODES,)."""
    rng = np.random.default_rng(7)
    return rng.integers(0, 2, (NODES, WORDS)).astype(np.float32), rng.integers(0, 7, NODES)


@pytest.fixture
def folder(tmp_path, truth):
    write(tmp_path, *truth, {0: [1, 2, 2], 1: [0], 2: [699]}, TEST)
    return tmp_path


def test_the_splits_are_one_graph_of_which_other_labels_are_known(folder, truth):
    nodes, topics = truth
    splits = cora.read(folder)
    known = range(140), range(140, 640), TEST
    for (example,), some in zip(splits, known, strict=True):
        assert np.array_equal(example.source.nodes, nodes)
        assert example.source.edges.tolist() == [[0, 1], [0, 2], [0, 2], [1, 0], [2, 699]]
        labels = example.targets["topic"]
        assert len(labels) == NODES
        assert {i: label for i, label in enumerate(labels) if label is not None} == {
            i: TOPICS[topics[i]] for i in some
        }


def test_what_is_not_expected_in_a_file_is_not_made(folder):
    class Harm:
        def __reduce__(self):
            return print, ("done",)

    (folder / "ind.cora.graph").write_bytes(pickle.dumps(Harm()))
    with pytest.raises(DataError, match="print is not expected here"):
        cora.read(folder)


@pytest.mark.parametrize("name", ["allx", "ty", "graph", "test.index"])
@pytest.mark.parametrize("content", [b"", b"hello", pickle.dumps([1, 2], protocol=2)])
def test_what_is_no_such_file_is_refused(folder, name, content):
    (folder / f"ind.cora.{name}").write_bytes(content)
    with pytest.raises(DataError, match="does not hold the files of Cora"):
        cora.read(folder)
