"""A graph: a vector for each node, which looks along edges."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.config import GraphConfig
from model.errors import InputError
from model.preprocess.vectors import EncodedVectors, check_vectors


class Graph(NamedTuple):
    """One input.

    Attributes:
        nodes: numbers (length, features).
        edges: pairs (edges, 2) of nodes, numbered from 0. Which of two comes first is nothing, and
            nor is it to name an edge twice.
    """

    nodes: ArrayLike
    edges: ArrayLike


class GraphPreprocessor:
    """Checks a graph and makes its edges those that attention takes.

    Args:
        config: how many features a node has, and how many edges a graph may have.
        max_length: nodes a network takes.
    """

    def __init__(self, config: GraphConfig, max_length: int):
        self.features, self.max_edges = config.features, config.max_edges
        self.max_length = max_length

    def encode(self, source: Graph) -> EncodedVectors:
        """`vectors` float32 (length, features) and `edges` int64 (edges, 2), see `both_ways`.

        Raises:
            InputError: the nodes are not such numbers or too many, an edge is not of two of them,
                or the edges are too many.
        """
        vectors = check_vectors(source.nodes, self.features, self.max_length)
        edges = both_ways(check_edges(source.edges, len(vectors)), len(vectors))
        if len(edges) > self.max_edges:
            raise InputError(
                f"{len(edges)} edges, both ways and with each node's own; "
                f"at most {self.max_edges} are allowed"
            )
        return EncodedVectors({"vectors": vectors, "edges": edges})


def check_edges(source: ArrayLike, nodes: int) -> NDArray[np.int64]:
    """As int64 (edges, 2).

    Raises:
        InputError: not pairs of whole numbers, or a number that no node has; says which edge.
    """
    try:
        edges = np.asarray(source)
    except ValueError as error:
        raise InputError("edges are pairs [i, j] of nodes' numbers") from error
    if edges.size == 0 and edges.ndim in (1, 2):
        return np.empty((0, 2), np.int64)
    if edges.dtype.kind not in "iu" or edges.ndim != 2 or edges.shape[1] != 2:
        raise InputError("edges are pairs [i, j] of nodes' numbers")
    strange = (edges < 0) | (edges >= nodes)
    if strange.any():
        first = int(strange.any(axis=1).argmax())
        raise InputError(f"edge {first} is {edges[first].tolist()}; nodes are 0 to {nodes - 1}")
    return edges.astype(np.int64)


def both_ways(edges: NDArray[np.int64], nodes: int) -> NDArray[np.int64]:
    """Each edge either way and each node's to itself, once each: int64 (edges, 2), sorted."""
    own = np.arange(nodes).repeat(2).reshape(-1, 2)
    pairs = np.concatenate([edges, edges[:, ::-1], own])
    numbers = np.unique(pairs[:, 0] * nodes + pairs[:, 1])
    return np.stack([numbers // nodes, numbers % nodes], axis=1)
