"""Cora in the files of Yang et al. 2016 (Planetoid; arXiv:1603.08861): papers that cite papers.

One graph. Its splits differ in which nodes' labels are known.
"""

import pickle
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from model.data.examples import Example, Splits
from model.errors import DataError
from model.preprocess.graph import Graph

TOPICS = (  # in the order of the files' columns
    "theory",
    "reinforcement_learning",
    "genetic_algorithms",
    "neural_networks",
    "probabilistic_methods",
    "case_based",
    "rule_learning",
)
TRAIN, DEV = range(140), range(140, 640)  # the public split; its test nodes are in test.index


def read(folder: Path) -> Splits:
    """The three splits, an example each; nodes float32 (2708, 1433) of 0 and 1, target `topic`.

    Raises:
        DataError: a file is not what Planetoid wrote, or they do not fit together.
    """
    names = ("allx", "tx", "ally", "ty", "graph")
    try:
        files = {name: _load(folder / f"ind.cora.{name}") for name in names}
        test = np.array((folder / "ind.cora.test.index").read_text("utf-8").split(), np.int64)
        # The test nodes' rows stand behind all others, in the order of test.index.
        nodes = np.concatenate([_dense(files["allx"]), _dense(files["tx"])])
        topics = np.concatenate([files["ally"], files["ty"]]).argmax(axis=1)
        nodes[test], topics[test] = nodes[-len(test) :].copy(), topics[-len(test) :].copy()
        edges = [(i, j) for i, others in files["graph"].items() for j in others]
    except (OSError, EOFError, pickle.UnpicklingError, AttributeError, ValueError) as error:
        raise DataError(f"{folder} does not hold the files of Cora: {error}") from error
    graph = Graph(nodes, np.array(edges))
    return Splits(*([_example(graph, topics, known)] for known in (TRAIN, DEV, test)))


def _example(graph: Graph, topics: NDArray[np.int64], known: Iterable[int]) -> Example:
    labels: list[str | None] = [None] * len(topics)
    for node in known:
        labels[node] = TOPICS[topics[node]]
    return Example(graph, {"topic": tuple(labels)})


def _dense(matrix: Any) -> NDArray[np.float32]:
    """A sparse matrix (rows, columns) in compressed rows."""
    dense = np.zeros(matrix._shape, np.float32)
    rows = np.arange(len(dense)).repeat(np.diff(matrix.indptr))
    dense[rows, matrix.indices] = matrix.data
    return dense


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        return _Unpickler(file, encoding="latin1").load()


class _Unpickler(pickle.Unpickler):
    """Makes what is in these files, and nothing else."""

    ALLOWED: ClassVar = {
        ("scipy.sparse.csr", "csr_matrix"): SimpleNamespace,
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("collections", "defaultdict"): defaultdict,
        ("__builtin__", "list"): list,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not expected here")
        return self.ALLOWED[module, name]
