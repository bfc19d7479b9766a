"""Metrics over whole data sets."""

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple


class PRF(NamedTuple):
    """Precision, recall and F1, each from 0 to 1."""

    precision: float
    recall: float
    f1: float


def bio_spans(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """(type, start, end) of each span; a stray I-x begins one, as in conlleval."""
    spans = set()
    start, kind = 0, ""
    for index, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        if kind and (prefix != "I" or name != kind):
            spans.add((kind, start, index))
            kind = ""
        if prefix in ("B", "I") and not kind:
            start, kind = index, name
    return spans


def span_f1(gold: Sequence[set], predicted: Sequence[set]) -> PRF:
    """Micro-averaged over sentences: a span counts where type, start and end are equal."""
    hits = sum(len(a & b) for a, b in zip(gold, predicted, strict=True))
    expected = sum(map(len, gold))
    found = sum(map(len, predicted))
    precision = hits / found if found else 0.0
    recall = hits / expected if expected else 0.0
    total = precision + recall
    return PRF(precision, recall, 2 * precision * recall / total if total else 0.0)


def accuracy(gold: Sequence[object], predicted: Sequence[object]) -> float:
    """The share of equal pairs."""
    return sum(a == b for a, b in zip(gold, predicted, strict=True)) / len(gold)


def rmse(gold: Sequence[float], predicted: Sequence[float]) -> float:
    """The root of the mean squared error."""
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(gold, predicted, strict=True)) / len(gold))


def edit_distance(one: Sequence[object], other: Sequence[object]) -> int:
    """Fewest substitutions, insertions and deletions from one to the other (Levenshtein 1966)."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(other, start=1):
            substituted = diagonal + (a != b)
            diagonal = row[j]
            row[j] = min(row[j] + 1, row[j - 1] + 1, substituted)
    return row[-1]


def error_rate(
    gold: Sequence[Collection[Sequence[object]]], predicted: Sequence[Sequence[object]]
) -> float:
    """Edits to the nearest right sequence over the labels of that one, both summed over all."""
    nearest = [
        min((edit_distance(one, found), len(one)) for one in right)
        for right, found in zip(gold, predicted, strict=True)
    ]
    edits, labels = map(sum, zip(*nearest, strict=True))
    return edits / labels
