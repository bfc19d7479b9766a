"""The field of view of a graph's attention: how the weights of one input are laid out as rows."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from export.bundle import AttentionInfo
from model.preprocess.batch import Encoded
from service.attention.kinds import Floats


class Field(Protocol):
    """Of one input."""

    def rows(self, layer: Floats, rows: slice, columns: slice) -> Floats:
        """One input's weights, as the graph gives them -> (heads, query, key) of these."""


class Full:
    """Every position looks at every other."""

    def rows(self, layer: Floats, rows: slice, columns: slice) -> Floats:
        """From (heads, query, key), padded; a view."""
        return layer[:, rows, columns]


class Window:
    """A position looks at its neighbours."""

    def rows(self, layer: Floats, rows: slice, columns: slice) -> Floats:
        """From (heads, query, 2 window + 1), padded."""
        heads, _, width = layer.shape
        queries = np.arange(rows.start, rows.stop)[:, None]
        keys = queries + np.arange(width) - width // 2
        real = (keys >= columns.start) & (keys < columns.stop)
        found = np.zeros((heads, len(queries), columns.stop - columns.start), layer.dtype)
        at = np.nonzero(real)
        found[:, at[0], keys[at] - columns.start] = layer[:, rows][:, at[0], at[1]]
        return found


class AsGiven:
    """Of whom no rows of keys are wanted: what is laid out otherwise stays as it is."""

    def rows(self, layer: Floats, rows: slice, columns: slice) -> Floats:
        """From (heads, query, 2 window + 1) or (heads, edges), padded; a view."""
        return layer[:, rows]


class Edges(NamedTuple):
    """A position looks along its edges.

    Attributes:
        edges: (edges, 2), pairs of query and key.
    """

    edges: NDArray[np.int64]

    def rows(self, layer: Floats, rows: slice, columns: slice) -> Floats:
        """From (heads, edges), padded."""
        low, high = (rows.start, columns.start), (rows.stop, columns.stop)
        inside = np.flatnonzero(((self.edges >= low) & (self.edges < high)).all(axis=1))
        query, key = (self.edges[inside] - low).T
        found = np.zeros((len(layer), high[0] - low[0], high[1] - low[1]), layer.dtype)
        found[:, query, key] = layer[:, inside]
        return found


FULL, WINDOW, AS_GIVEN = Full(), Window(), AsGiven()


def field_of(info: AttentionInfo, encoded: Encoded) -> Field:
    """That of an input."""
    if (edges := encoded.arrays.get("edges")) is not None:
        return Edges(edges)
    return FULL if info.window is None else WINDOW
