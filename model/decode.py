"""Logits -> labels, spans and classes. numpy only."""

import itertools
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
            label == "O" or label[:2] in ("B-", "I-") for label in self.labels
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
                best[first:stop] = self._viterbi(logits[first:stop], best[first:stop].tolist())
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

    def _viterbi(self, logits: Floats, best: Sequence[int]) -> list[int]:
        """The most probable valid sequence (Viterbi 1967), from (words, labels).

        Some valid sequence is at hand: `best`, repaired. A label that alone loses more than all of
        that is on no better path, so only a few labels of a word are looked at.
        """
        losses = logits.max(axis=-1, keepdims=True) - logits
        bound = losses[np.arange(len(best)), self._repair(losses, best)].sum(dtype=np.float64)
        words, labels = np.nonzero(losses <= bound)
        paths: dict[
            int, tuple[float, list[int]]
        ] = {}  # by last label: its loss, and how to get there
        candidates = zip(
            words.tolist(), labels.tolist(), losses[words, labels].tolist(), strict=True
        )
        for word, group in itertools.groupby(candidates, key=lambda candidate: candidate[0]):
            before = paths if word else {self._outside: (0.0, [])}
            cheapest = min(before.values(), key=lambda path: path[0])
            paths = {}
            for _, label, loss in group:
                path = cheapest
                if self._inside[label]:
                    kind = self._types[label]
                    follows = [path for last, path in before.items() if self._types[last] == kind]
                    if not follows:
                        continue
                    path = min(follows, key=lambda path: path[0])
                paths[label] = path[0] + loss, [*path[1], label]
        return min(paths.values(), key=lambda path: path[0])[1]

    def _repair(self, losses: Floats, best: Sequence[int]) -> list[int]:
        """A valid sequence: where a label may not follow, the best of those that may."""
        repaired = [self._outside]
        for word, label in enumerate(best):
            if self._inside[label] and self._types[repaired[-1]] != self._types[label]:
                follows = self._allowed[repaired[-1]]
                label = int(np.where(follows, losses[word], np.inf).argmin())  # noqa: PLW2901
            repaired.append(label)
        return repaired[1:]

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
