"""A graph: a vector for each node, which looks along edges."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.config import GraphConfig
from model.errors import InputError
from model.preprocess.batch import Place
from model.preprocess.vectors import check_vectors


@dataclass(frozen=True, slots=True)
class Graph:
    """One input; its length is its number of nodes.

    Attributes:
        nodes: numbers (length, features).
        edges: pairs (edges, 2) of nodes, numbered from 0. Which of two comes first is nothing, and
            nor is it to name an edge twice.
    """

    nodes: ArrayLike
    edges: ArrayLike

    def __len__(self) -> int:
        return len(np.asarray(self.nodes))


class EncodedGraph(NamedTuple):
    """One input, ready for the network.

    Attributes:
        arrays: `vectors` float32 (length, features) and `edges` int64 (edges, 2), see `both_ways`.
        hub: whether the first position is no node of the graph.
    """

    arrays: dict[str, NDArray[np.generic]]
    hub: bool

    @property
    def length(self) -> int:
        """Its positions."""
        return len(self.arrays["vectors"])

    @property
    def labelled(self) -> Sequence[int]:
        """The positions that token heads label: the nodes."""
        return range(int(self.hub), self.length)


class GraphPreprocessor:
    """Checks a graph and makes its edges those that attention takes.

    With a hub there is one more node, in front: nothing of its own, and tied to all others, it
    stands for the whole graph (the master node of Gilmer et al. 2017, section 5.2;
    arXiv:1704.01212).

    Args:
        config: how many features a node has, how many edges a graph, and whether it gets a hub.
        max_length: positions a network takes.
    """

    def __init__(self, config: GraphConfig, max_length: int):
        self.config, self.max_length = config, max_length

    def encode(self, source: Graph) -> EncodedGraph:
        """Encode a graph.

        Raises:
            InputError: the nodes are not such numbers or too many, an edge is not of two of them,
                or the edges are too many.
        """
        hub = int(self.config.hub)
        nodes = check_vectors(source.nodes, self.config.features, self.max_length - hub)
        if self.config.shares:
            sums = np.abs(nodes).sum(axis=1, keepdims=True)
            nodes = nodes / np.where(sums, sums, 1)
        edges = check_edges(source.edges, len(nodes)) + hub
        vectors = np.pad(nodes, ((hub, 0), (0, 0)))
        if hub:
            ties = np.arange(1, len(vectors))
            edges = np.concatenate([edges, np.stack([np.zeros_like(ties), ties], axis=1)])
        edges = both_ways(edges, len(vectors))
        if len(edges) > self.config.max_edges:
            raise InputError(
                f"{len(edges)} edges, counted both ways and with each node's own; "
                f"at most {self.config.max_edges} are allowed"
            )
        return EncodedGraph({"vectors": vectors, "edges": edges}, self.config.hub)

    def place(self, start: int, end: int) -> Place:
        """The first node; the hub is none."""
        node = start - int(self.config.hub)
        return {"node": node} if node >= 0 else {}


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
