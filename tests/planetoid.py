"""Writes graphs as Planetoid's files have them."""

import pickle
from pathlib import Path

import numpy as np
import scipy.sparse


def write(
    folder: Path,
    nodes: np.ndarray,
    topics: np.ndarray,
    cites: dict[int, list[int]],
    test: list[int],
) -> None:
    """Nodes (nodes, words) and their topics (nodes,); the nodes of `test` are the last ones."""
    ones, first = np.eye(7, dtype=np.int32)[topics], len(nodes) - len(test)
    _dump(scipy.sparse.csr_matrix(nodes[:first]), folder / "ind.cora.allx")
    _dump(scipy.sparse.csr_matrix(nodes[test]), folder / "ind.cora.tx")
    _dump(ones[:first], folder / "ind.cora.ally")
    _dump(ones[test], folder / "ind.cora.ty")
    _dump(cites, folder / "ind.cora.graph")
    (folder / "ind.cora.test.index").write_text("".join(f"{node}\n" for node in test))


def _dump(value: object, path: Path) -> None:
    """By the names that things had in the numpy and scipy of then."""
    data = pickle.dumps(value, protocol=3)
    data = data.replace(b"scipy.sparse._csr\n", b"scipy.sparse.csr\n")
    path.write_bytes(data.replace(b"numpy._core.multiarray\n", b"numpy.core.multiarray\n"))
