"""Logits -> labels, spans and classes. numpy only."""

import heapq
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
        for index, label in enumerate([*best, self.labels.index("O")]):
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

    def _viterbi(self, logits: Floats) -> NDArray[np.intp]:
        """The best path through the allowed transitions (Viterbi 1967).

        Only I-x is choosy about what it follows: B-x or I-x. So a step costs time in proportion to
        the number of labels, not to its square.
        """
        inside, begin = self._inside_and_begin
        score = np.where(self._start, logits[0], -np.inf)
        back = np.zeros(logits.shape, np.intp)
        for word in range(1, len(logits)):
            follows = np.where(score[begin] >= score[inside], begin, inside)
            best_before = score.argmax()
            back[word] = best_before
            back[word, inside] = follows
            continued = logits[word, inside] + score[follows]
            score = logits[word] + score[best_before]
            score[inside] = continued
        best = np.zeros(len(logits), np.intp)
        best[-1] = score.argmax()
        for word in range(len(logits) - 1, 0, -1):
            best[word - 1] = back[word, best[word]]
        return best

    @cached_property
    def _inside_and_begin(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Indices of the I- labels, and of the B- label of each (its own if it has none)."""
        inside = [index for index, label in enumerate(self.labels) if label.startswith("I-")]
        places = {label: index for index, label in enumerate(self.labels)}
        begin = [places.get(f"B-{self.labels[index][2:]}", index) for index in inside]
        return np.array(inside, np.intp), np.array(begin, np.intp)

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
    order = heapq.nlargest(top_k, range(len(labels)), key=probabilities.__getitem__)
    return [(labels[i], probabilities[i]) for i in order]
