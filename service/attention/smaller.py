"""What would fit, where too much was asked for."""

from collections.abc import Iterator, Sequence
from typing import Any

from export.bundle import AttentionInfo
from model.preprocess.batch import Encoded
from service.attention.selection import select
from service.attention.view import View, look
from service.schemas import AttentionOptions


def find_smaller(
    options: AttentionOptions, info: AttentionInfo, encoded: Sequence[Encoded], limit: int
) -> AttentionOptions | None:
    """The options nearest to these of which no more than limit numbers are answered."""
    changes = list(_changes(options))
    for change in changes:
        smaller = options.model_copy(update=change)
        if sum(view.numbers for view in _look(smaller, info, encoded)) <= limit:
            return smaller
    if options.kind not in ("weights", "rollout"):
        return None
    for change in ({}, *changes):
        smaller = options.model_copy(update=change)
        views = _look(smaller, info, encoded)
        rows = sum(view.selection.maps * len(view.queries) for view in views)
        if limit >= 2 * rows:  # a weight and a key
            return smaller.model_copy(update={"top_k": limit // (2 * rows)})
    return None


def _changes(options: AttentionOptions) -> Iterator[dict[str, Any]]:
    """Of heads the mean, of layers the last, both, of rows one."""
    heads: dict[str, Any] = {} if options.kind == "rollout" else {"heads": "mean"}
    layers = {"layers": [-1] if options.layers == "all" else options.layers[-1:]}
    yield from (heads, layers, heads | layers)
    if options.special == "keep" and options.kind != "received":
        yield heads | layers | {"query": "sequence"}


def _look(options: AttentionOptions, info: AttentionInfo, encoded: Sequence[Encoded]) -> list[View]:
    selection = select(options, info)
    return [look(selection, info, text, "") for text in encoded]
