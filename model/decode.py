"""Logits -> labels, spans and classes. numpy only."""

from collections.abc import Sequence
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

    def decode(self, logits: Floats) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Label indices and their probabilities, both (words,), from logits (words, labels)."""
        best = logits.argmax(axis=-1)
        if self.bio and not self._is_valid(best):
            best = self._viterbi(logits)
        # The softmax's value at the chosen label alone, without dividing all the others.
        chosen = logits[np.arange(len(best)), best][:, None]
        with np.errstate(over="ignore"):  # far below the best label: 1 / inf, score 0
            scores = 1.0 / np.exp(logits - chosen, dtype=np.float32).sum(axis=-1)
        return best, scores

    def spans(self, best: Sequence[int], scores: Sequence[float]) -> list[LabelSpan]:
        """Group words B-x I-x I-x into spans of x; best and scores are those of `decode`."""
        spans: list[LabelSpan] = []
        start = 0
        for index in range(len(best) + 1):
            label = self.labels[best[index]] if index < len(best) else "O"
            if label.startswith("I-"):
                continue
            if index and self.labels[best[start]] != "O":
                score = sum(scores[start:index]) / (index - start)
                spans.append(LabelSpan(start, index, self.labels[best[start]][2:], score))
            start = index
        return spans

    def _is_valid(self, best: NDArray[np.intp]) -> bool:
        return bool(self._start[best[0]] and self._allowed[best[:-1], best[1:]].all())

    def _viterbi(self, logits: Floats) -> NDArray[np.intp]:
        """The best path through the allowed transitions (Viterbi 1967)."""
        forbidden = np.where(self._allowed, 0.0, -np.inf)
        score = logits[0] + np.where(self._start, 0.0, -np.inf)
        back = np.zeros(logits.shape, np.intp)
        for word in range(1, len(logits)):
            paths = score[:, None] + forbidden
            back[word] = paths.argmax(axis=0)
            score = paths.max(axis=0) + logits[word]
        best = np.zeros(len(logits), np.intp)
        best[-1] = score.argmax()
        for word in range(len(logits) - 1, 0, -1):
            best[word - 1] = back[word, best[word]]
        return best

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


def top_classes(logits: Floats, labels: Sequence[str], top_k: int) -> list[tuple[str, float]]:
    """The top_k labels of logits (labels,) with their probabilities, most probable first."""
    probabilities = softmax(logits)
    order = np.argsort(-probabilities, kind="stable")[:top_k]
    return [(labels[i], float(probabilities[i])) for i in order]
