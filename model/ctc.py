"""Connectionist temporal classification: logits of positions -> fewer labels, in order. numpy only.

Graves et al. 2006 (ICML). A path is one label for every position. The labelling that it stands for
is what is left when runs of one label are merged and then blanks, label 0, dropped. The
probability of a labelling is the sum over its paths.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLANK = 0
Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]
Span = tuple[int, int]


class Transcript(NamedTuple):
    """A labelling found.

    Attributes:
        labels: indices, without blanks.
        score: the probability of these labels, over all their paths.
        spans: (start, end) of the positions of each label, end exclusive, on the best path.
    """

    labels: tuple[int, ...]
    score: float
    spans: tuple[Span, ...]


def log_softmax(logits: Floats) -> Doubles:
    """Log probabilities over the last axis."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


def greedy(logits: Floats) -> Transcript:
    """The labelling of the most probable path (section 3.2), from logits (positions, labels)."""
    path = logits.argmax(axis=-1)
    starts = np.flatnonzero(np.diff(path, prepend=-1))
    ends = np.append(starts[1:], len(path))
    labels = path[starts]
    said = labels != BLANK
    found = tuple(labels[said].tolist())
    spans = zip(starts[said].tolist(), ends[said].tolist(), strict=True)
    return Transcript(found, _probability(log_softmax(logits), found), tuple(spans))


def beam_search(logits: Floats, width: int, best: int = 1) -> list[Transcript]:
    """The most probable labellings (Graves 2012, arXiv:1211.3711, section 2.5), best first.

    Exact where no more than `width` beginnings of labellings have to be kept.

    Args:
        logits: (positions, labels)
        width: beginnings kept after each position.
        best: how many labellings to return at most; no more than `width`.
    """
    log_probs = log_softmax(logits)
    found = [
        Transcript(labels, _probability(log_probs, labels), tuple(align(log_probs, labels)))
        for labels in _search(log_probs, width)[:best]
    ]
    return sorted(found, key=lambda transcript: -transcript.score)


def _search(log_probs: Doubles, width: int) -> list[tuple[int, ...]]:
    """The labellings in the beam after the last position, best first."""
    prefixes: list[tuple[int, ...]] = [()]
    last = np.array([BLANK])  # label of each prefix
    blank, label = np.array([0.0]), np.array([-np.inf])  # log P(prefix, path ends in one)
    for row in log_probs:
        either = np.logaddexp(blank, label)
        grown = either[:, None] + row  # by prefix and the label that follows it
        grown[np.arange(len(prefixes)), last] = blank + row[last]
        grown[:, BLANK] = -np.inf
        blank, label = either + row[BLANK], label + row[last]
        place = {prefix: index for index, prefix in enumerate(prefixes)}
        shorter = np.array([place.get(prefix[:-1], -1) if prefix else -1 for prefix in prefixes])
        again = np.flatnonzero(shorter >= 0)  # grown anew, though in the beam already
        fresh = shorter[again], last[again]
        label[again] = np.logaddexp(label[again], grown[fresh])
        grown[fresh] = -np.inf
        ranked = np.concatenate([np.logaddexp(blank, label), grown.ravel()])
        kept = np.argpartition(-ranked, min(width, len(ranked)) - 1)[:width]
        kept = kept[ranked[kept] > -np.inf]
        old = kept[kept < len(prefixes)]
        parents, following = np.divmod(kept[kept >= len(prefixes)] - len(prefixes), len(row))
        blank = np.concatenate([blank[old], np.full(len(parents), -np.inf)])
        label = np.concatenate([label[old], grown[parents, following]])
        last = np.concatenate([last[old], following])
        prefixes = [prefixes[index] for index in old.tolist()] + [
            (*prefixes[parent], new)
            for parent, new in zip(parents.tolist(), following.tolist(), strict=True)
        ]
    order = np.argsort(-np.logaddexp(blank, label), kind="stable")
    return [prefixes[index] for index in order.tolist()]


def log_probability(log_probs: Doubles, labels: Sequence[int]) -> float:
    """Of a labelling, by the forward algorithm (section 4.1); log_probs (positions, labels)."""
    states, skips = _lattice(labels)
    reached = _before(len(states))
    for row in log_probs[:, states]:
        moved = np.logaddexp(np.logaddexp(reached[2:], reached[1:-1]), reached[:-2] + skips)
        reached[1] = -np.inf
        reached[2:] = moved + row
    return float(np.logaddexp(reached[-1], reached[-2]))


def align(log_probs: Doubles, labels: Sequence[int]) -> list[Span]:
    """(start, end) of the positions of each label, end exclusive, on the best path of them all.

    Raises:
        ValueError: the labels do not fit in so few positions.
    """
    states, skips = _lattice(labels)
    reached = _before(len(states))
    came = np.zeros((len(log_probs), len(states)), np.intp)  # from how many states before
    for position, row in enumerate(log_probs[:, states]):
        ways = np.stack([reached[2:], reached[1:-1], reached[:-2] + skips])
        came[position] = ways.argmax(axis=0)
        reached[1] = -np.inf
        reached[2:] = ways.max(axis=0) + row
    if max(reached[-2:]) == -np.inf:
        raise ValueError(f"{len(labels)} labels do not fit in {len(log_probs)} positions")
    state = len(states) - 1 - int(reached[-2] > reached[-1])
    starts, ends = [0] * len(labels), [0] * len(labels)
    for position in range(len(log_probs) - 1, -1, -1):
        if state % 2:
            starts[state // 2] = position
            ends[state // 2] = max(ends[state // 2], position + 1)
        state -= int(came[position, state])
    return list(zip(starts, ends, strict=True))


def _probability(log_probs: Doubles, labels: Sequence[int]) -> float:
    return float(np.exp(log_probability(log_probs, labels)))


def _lattice(labels: Sequence[int]) -> tuple[NDArray[np.intp], Doubles]:
    """The labels with a blank before, between and after; 0 where two states may be passed, or -inf.

    A label may follow another one without a blank between, unless both are equal.
    """
    states = np.full(2 * len(labels) + 1, BLANK)
    states[1::2] = labels
    may = states != BLANK
    may[3::2] &= states[3::2] != states[1:-2:2]
    return states, np.where(may, 0.0, -np.inf)


def _before(states: int) -> Doubles:
    """Log P of each state before the first position, after two that only lead to the first."""
    reached = np.full(states + 2, -np.inf)
    reached[1] = 0.0
    return reached
