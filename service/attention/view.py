"""What is answered of one input's attention: which positions, merged how; and cutting it out."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from export.bundle import AttentionInfo
from model.preprocess.batch import Encoded
from model.preprocess.text import EncodedText
from service.answers import Attention, Position
from service.attention import kinds
from service.attention.fields import AS_GIVEN, FULL, Field, field_of
from service.attention.kinds import Floats
from service.attention.positions import Unit, units
from service.attention.selection import Selection, refuse
from service.raw import Raw
from service.schemas import AttentionOptions, QuerySpan

SEQUENCE = 0  # the position that sequence heads read: `model.heads.SequenceHead`

# By name: weights (layers, heads, query, key or k), with keys of the same shape where k are chosen;
# or received (layers, heads, key); or entropy (layers, heads, query).
Tensors = dict[str, NDArray[Any]]


class View(NamedTuple):
    """A selection, laid out over one input.

    A unit is a position or, with level word, a word or a special position; of a unit's positions,
    neighbours all of them, the first is its start.

    Attributes:
        selection: of layers and attention heads.
        field: how the weights are laid out.
        length: of the input.
        rows, columns: the positions that are read as queries and as keys.
        row_starts, column_starts: for level word, where in these the units begin.
        queries: the units that are queries, of those that are keys.
        keys: how many units are keys.
    """

    selection: Selection
    field: Field
    length: int
    rows: slice
    columns: slice
    row_starts: list[int] | None
    column_starts: list[int] | None
    queries: range
    keys: int

    @property
    def numbers(self) -> int:
        """How many are answered."""
        options = self.selection.options
        if options.kind == "received":
            return self.selection.maps * self.keys
        if options.kind == "entropy":
            return self.selection.maps * len(self.queries)
        if options.top_k is None:
            return self.selection.maps * len(self.queries) * self.keys
        return 2 * self.selection.maps * len(self.queries) * min(options.top_k, self.keys)

    @property
    def scratch(self) -> int:
        """How many weights are laid out for that, an attention head at a time."""
        if self.field in (FULL, AS_GIVEN):
            return 0
        if self.selection.options.kind == "rollout":
            return self.length**2
        rows: int = self.rows.stop - self.rows.start
        return rows * self.length

    def describe(self, positions: list[Position]) -> Attention:
        """The answer, but for its numbers."""
        selection = self.selection
        answer: Attention = {
            "kind": selection.options.kind,
            "positions": positions,
            "layers": list(selection.layers),
            "heads": "mean" if selection.heads == "mean" else list(selection.heads),
        }
        if selection.options.query != "all":
            answer["query"] = list(self.queries)
        return answer

    def cut(self, weights: Mapping[int, Floats], item: int) -> Tensors:
        """One item's share of a batch, padding cut off; nothing of the batch is kept.

        Args:
            weights: for each layer needed, the axis batch first; see `fields`.
            item: index into batch.
        """
        size = slice(0, self.length)
        if self.selection.options.kind == "rollout":
            means = [
                self.field.rows(weights[n][item], size, size).mean(axis=0)
                for n in self.selection.needed
            ]
            rolled = kinds.rollout(np.stack(means))
            layers = [rolled[n, None, self.rows, self.columns] for n in self.selection.layers]
        else:
            layers = [self._pick(weights[n][item]) for n in self.selection.layers]
        read = [self._read(layer) for layer in layers]  # one by one, for the processor's caches
        return {name: np.stack([tensors[name] for tensors in read]) for name in read[0]}

    def _pick(self, layer: Floats) -> Floats:
        """One input's weights -> (heads, query, key) of the attention heads selected."""
        heads = self.selection.heads
        if heads != "mean" and heads != tuple(range(len(layer))):
            layer = layer[list(heads)]
        found = self.field.rows(layer, self.rows, self.columns)
        return found.mean(axis=0, keepdims=True) if heads == "mean" else found

    def _read(self, layer: Floats) -> Tensors:
        """(heads, query, key) of positions -> what is asked for."""
        options = self.selection.options
        if self.row_starts is not None and self.column_starts is not None:
            layer = kinds.merge_queries(layer, self.row_starts)
            layer = kinds.merge_keys(layer, self.column_starts)
        if options.special == "drop":
            layer = kinds.renormalise(layer)
        tensors: Tensors
        if options.kind == "received":
            tensors = {"received": kinds.received(layer)}
        elif options.kind == "entropy":
            tensors = {"entropy": kinds.entropy(layer)}
        elif options.top_k is not None:
            tensors = dict(
                zip(("weights", "keys"), kinds.largest(layer, options.top_k), strict=True)
            )
        else:
            tensors = {"weights": layer}
        if options.dtype == "float16":
            name = "weights" if options.kind == "rollout" else options.kind
            tensors[name] = kinds.to_half(tensors[name])
        return tensors


def look(selection: Selection, info: AttentionInfo, encoded: Encoded, where: str) -> View:
    """Lay a selection out over an input; `where` it is in the request.

    Raises:
        InvalidRequest: the query names nothing of the input; or words or special positions are
            meant, and the input has none.
    """
    field = field_of(info, encoded)
    if isinstance(encoded, Raw) and field is not FULL:
        return _look_as_given(selection, info, encoded)
    options = selection.options
    length = encoded.length
    starts = list(range(length))
    if options.level == "word" or options.special == "drop":
        if not isinstance(encoded, EncodedText) or not encoded.first:
            name = "level" if options.level == "word" else "special"
            raise refuse(name, f"in {where} nothing is known as a word, or as special")
        if options.level == "word":
            starts = [0, *encoded.first, length - 1]
    skipped = 1 if options.special == "drop" else 0
    kept = range(skipped, len(starts) - skipped)
    asked = kept if options.query == "all" else _asked(options, encoded, where, kept)
    ends = [*starts[1:], length]
    merged = options.level == "word"
    rows = starts[asked.start : asked.stop]
    return View(
        selection,
        field,
        length,
        slice(rows[0], ends[asked.stop - 1]),
        slice(skipped, length - skipped),
        [start - rows[0] for start in rows] if merged else None,
        [starts[unit] - skipped for unit in kept] if merged else None,
        range(asked.start - skipped, asked.stop - skipped),
        len(kept),
    )


def _look_as_given(selection: Selection, info: AttentionInfo, raw: Raw) -> View:
    """Of each position its window, or of each edge itself, is what was a row of keys."""
    rows, keys = raw.length, 2 * (info.window or 0) + 1
    if (edges := raw.arrays.get("edges")) is not None:
        rows = len(edges)
    whole = slice(0, rows)
    return View(selection, AS_GIVEN, raw.length, whole, whole, None, None, range(rows), keys)


def _asked(options: AttentionOptions, encoded: Encoded, where: str, kept: range) -> range:
    """The units that are the query: neighbours, as pieces and words are in order."""
    span = options.query
    if not isinstance(span, QuerySpan):
        return range(SEQUENCE, SEQUENCE + 1)
    if span.positions is not None:
        if span.positions.stop > len(kept):
            raise refuse("query", f"{where} has {len(kept)} positions")
        return kept[span.positions.start : span.positions.stop]
    if not isinstance(encoded, EncodedText):
        raise refuse("query", f"{where} is no text; say first and last")
    if span.code_points is not None and encoded.words is None:
        raise refuse("query", f"{where} is no text; say first_word and last_word")
    found = [
        index
        for index, unit in enumerate(units(encoded, options.level))
        if unit is not None and _holds(span, unit)
    ]
    if not found:
        raise refuse("query", f"nothing of {where} is there")
    return range(found[0], found[-1] + 1)


def _holds(span: QuerySpan, unit: Unit) -> bool:
    """A part of the unit is in the span."""
    if span.words is not None:
        return unit.word in span.words
    return span.code_points is not None and (
        unit.start < span.code_points.stop and unit.end > span.code_points.start
    )
