"""Logits of a sequence head -> the answer of a `transformers` text-classification pipeline."""

from collections.abc import Sequence

import numpy as np

from model.decode import softmax
from service.answers import Class
from service.attention.kinds import Floats
from service.schemas import Parameters


def classify(labels: Sequence[str], parameters: Parameters, logits: Floats) -> list[Class]:
    """The classes of one text, best first: all, or `top_k`.

    Args:
        labels: their names.
        parameters: of the request.
        logits: (labels,).
    """
    match parameters.function_to_apply:
        case "none":
            scores = logits
        case "sigmoid":
            scores = np.exp(-np.logaddexp(0, -logits))
        case _:
            scores = softmax(logits)
    best = np.argsort(-scores, kind="stable")[: parameters.top_k]
    return [{"label": labels[index], "score": float(scores[index])} for index in best]
