"""Logits -> labels, spans and classes. numpy only."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


class LabelSpan(NamedTuple):
    """Words start..end (exclusive) that carry one label; score is the words' mean."""

    start: int
    end: int
    label: str
    score: float


def softmax(logits: Floats) -> NDArray[np.float32]:
    """Probabilities over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=np.float32)
    result: NDArray[np.float32] = shifted / shifted.sum(axis=-1, keepdims=True)
    return result


class TokenDecoder:
    """Decodes the logits of one token head.

    With B-, I- and O labels the answer is the most probable sequence in which every I-x follows a
    B-x or I-x; without them, the most probable label of each word.
    """

    def __init__(self, labels: Sequence[str]):
        self.labels = list(labels)
        self.bio = "O" in self.labels and all(
            label == "O" or (label[:2] in ("B-", "I-") and len(label) > 2) for label in self.labels
        )
        self._inside = [label.startswith("I-") for label in self.labels]
        self._types = [label[2:] for label in self.labels]
        self._outside = self.labels.index("O") if self.bio else -1

    def decode(self, logits: Floats) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Label indices and their probabilities, both (words,), from logits (words, labels)."""
        return self.decode_batch(logits, [len(logits)])

    def decode_batch(
        self, logits: Floats, words: Sequence[int]
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Decode several inputs, one after another in the same arrays.

        Args:
            logits: (words of all inputs, labels)
            words: of each input, at least one.

        Returns:
            Label indices and their probabilities, both (words of all inputs,).
        """
        best = logits.argmax(axis=-1)
        if self.bio:
            stops = np.cumsum(words)
            for first, stop in self._invalid(best, stops - words, stops):
                best[first:stop] = self._viterbi(logits[first:stop])
        # The softmax's value at the chosen label alone, without dividing all the others.
        chosen = logits[np.arange(len(best)), best][:, None]
        with np.errstate(over="ignore"):  # a label without any probability: the score is 0
            scores = 1.0 / np.exp(logits - chosen, dtype=np.float32).sum(axis=-1)
        return best, scores

    def spans(self, best: Sequence[int], scores: Sequence[float]) -> list[LabelSpan]:
        """Group words B-x I-x I-x into spans of x; best and scores are those of `decode`."""
        spans: list[LabelSpan] = []
        start = 0
        for index, label in enumerate([*best, self._outside]):
            if self._inside[label]:
                continue
            if index and (kind := self._types[best[start]]):
                score = sum(scores[start:index]) / (index - start)
                spans.append(LabelSpan(start, index, kind, score))
            start = index
        return spans

    def _invalid(
        self, best: NDArray[np.intp], firsts: NDArray[np.intp], stops: NDArray[np.intp]
    ) -> Iterator[tuple[int, int]]:
        """Where inputs are whose labels may not follow each other."""
        allowed = np.empty(len(best), np.bool_)
        allowed[1:] = self._allowed[best[:-1], best[1:]]
        allowed[firsts] = self._start[best[firsts]]
        if not allowed.all():
            for first, stop in zip(firsts.tolist(), stops.tolist(), strict=True):
                if not allowed[first:stop].all():
                    yield first, stop

    def _viterbi(self, logits: Floats) -> list[int]:
        """The most probable valid sequence (Viterbi 1967), from (words, labels).

        Only I-x is choosy about what it follows, so a path is known by the type of the span that is
        open at its end; a step costs time in proportion to the number of types.
        """
        types, begin, inside = self._spans_of
        losses = logits.max(axis=-1, keepdims=True) - logits
        losses = np.pad(losses.astype(np.float64), ((0, 0), (0, 1)), constant_values=np.inf)
        begins, insides = losses[:, begin], losses[:, inside]
        outsides = losses[:, self._outside].tolist()
        continues = np.zeros(begins.shape, np.bool_)  # the span that is open at a word began before
        last = []  # by word: the type open at the end of the best path so far; none
        best, open_ = 0.0, np.full(types, np.inf)
        for word, outside in enumerate(outsides):
            fresh, old = best + begins[word], open_ + insides[word]
            continues[word] = old < fresh
            open_ = np.minimum(fresh, old)
            kind = int(open_.argmin())
            best, kind = min((best + outside, -1), (float(open_[kind]), kind))
            last.append(kind)
        labels = []
        kind = -1
        for word in range(len(logits) - 1, -1, -1):
            kind = last[word] if kind < 0 else kind
            went_on = kind >= 0 and bool(continues[word, kind])
            labels.append(self._outside if kind < 0 else (inside if went_on else begin)[kind])
            kind = kind if went_on else -1
        return labels[::-1]

    @cached_property
    def _spans_of(self) -> tuple[int, list[int], list[int]]:
        """How many types; the indices of B-x and I-x of each, one too high where there is none."""
        types = sorted(set(self._types) - {""})
        places = {label: index for index, label in enumerate(self.labels)}
        begin, inside = (
            [places.get(f"{prefix}-{kind}", len(self.labels)) for kind in types] for prefix in "BI"
        )
        return len(types), begin, inside

    @cached_property
    def _start(self) -> NDArray[np.bool_]:
        """(labels,): may begin a sequence."""
        return np.array([not label.startswith("I-") for label in self.labels])

    @cached_property
    def _allowed(self) -> NDArray[np.bool_]:
        """(labels, labels): the second may follow the first."""
        return np.array(
            [
                [not after.startswith("I-") or before[2:] == after[2:] for after in self.labels]
                for before in self.labels
            ]
        )


def top_classes(
    probabilities: Sequence[float], labels: Sequence[str], top_k: int
) -> list[tuple[str, float]]:
    """The top_k labels with their probabilities, most probable first; ties in the labels' order."""
    order = sorted(range(len(labels)), key=probabilities.__getitem__, reverse=True)
    return [(labels[i], probabilities[i]) for i in order[:top_k]]
