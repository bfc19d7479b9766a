"""Connectionist temporal classification: logits -> labels whose number is free (Graves 2006)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLANK = 0


class Labelling(NamedTuple):
    """Indices of labels."""

    labels: tuple[int, ...]


def greedy(logits: NDArray[np.floating]) -> Labelling:
    """Of the most probable path: (length, labels) -> repeats merged, blanks left out."""
    best = logits.argmax(axis=-1)
    starts = np.flatnonzero(np.diff(best, prepend=BLANK))
    return Labelling(tuple(best[i] for i in starts if best[i] != BLANK))
