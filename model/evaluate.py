"""Metrics of every head over labelled examples, whatever computes the logits: torch or a bundle."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from model.config import HeadConfig
from model.ctc import greedy
from model.data.examples import Example, Target
from model.decode import TokenDecoder
from model.metrics import accuracy, bio_spans, error_rate, rmse, span_f1
from model.preprocess.batch import Arrays, Encoded, pad
from model.preprocess.modalities import Preprocessor

Logits = Mapping[str, NDArray[np.floating]]
Run = Callable[[Arrays], Logits]
BATCH = 32
ERRORS = ("error_rate", "rmse")  # ends of the names of metrics of which less is better


def evaluate(
    run: Run,
    preprocessor: Preprocessor,
    heads: Sequence[HeadConfig],
    examples: Sequence[Example],
) -> dict[str, float]:
    """Metrics by name, each over the examples whose target is known.

    `<head>.accuracy` over the positions of token heads and the inputs of others with labels,
    `<head>.f1` over the spans of BIO heads, `<head>.error_rate` of ctc heads, `<head>.rmse` of
    values, and `exact_match`: every label right, where there are labels.

    Args:
        run: the padded arrays of a batch -> logits by head name.
        preprocessor: encodes an example's source.
        heads: the heads in `run`'s answer.
        examples: with a target for each head.
    """
    answers = list(predict(run, preprocessor, heads, examples))
    metrics: dict[str, float] = {}
    right = [True] * len(examples)
    for head in heads:
        pairs = [
            (example.targets[head.name], answer[head.name])
            for example, answer in zip(examples, answers, strict=True)
            if head.name in example.targets
        ]
        if not pairs:
            continue
        gold, found = (list(side) for side in zip(*pairs, strict=True))
        measured = METRICS[head.kind](head, gold, found)
        metrics |= {f"{head.name}.{name}": value for name, value in measured.items()}
        if head.kind != "value":
            right = [
                so_far and (head.name not in e.targets or _same(e.targets[head.name], a[head.name]))
                for so_far, e, a in zip(right, examples, answers, strict=True)
            ]
    if any(head.kind != "value" for head in heads):
        metrics["exact_match"] = sum(right) / len(right)
    return metrics


def predict(
    run: Run,
    preprocessor: Preprocessor,
    heads: Sequence[HeadConfig],
    examples: Sequence[Example],
) -> Iterator[dict[str, Target]]:
    """What the network says of each example, in the form of `Example.targets`."""
    decode = {head.name: _decoder(head) for head in heads}
    remaining = iter(examples)
    while batch := list(islice(remaining, BATCH)):
        encoded = [preprocessor.encode(example.source) for example in batch]
        logits = run(pad(encoded))
        for row, item in enumerate(encoded):
            yield {name: read(logits[name][row], item) for name, read in decode.items()}


def is_better(name: str, value: float, best: float | None) -> bool:
    """Whether a metric of that name says so; anything is better than None."""
    if best is None:
        return True
    return value < best if name.endswith(ERRORS) else value > best


def _decoder(head: HeadConfig) -> Callable[[NDArray[np.floating], Encoded], Target]:
    """Reads one input's logits."""
    labels = head.labels
    if head.kind == "value":
        return lambda logits, _: float(logits)
    if head.kind == "sequence":
        return lambda logits, _: labels[int(logits.argmax())]
    if head.kind == "ctc":
        return lambda logits, item: tuple(labels[i] for i in greedy(logits[: item.length]).labels)
    decoder = TokenDecoder(labels)
    return lambda logits, item: tuple(
        labels[i] for i in decoder.decode(logits[[*item.labelled]])[0]
    )


def _same(gold: Target, found: Target) -> bool:
    if isinstance(gold, frozenset):
        return found in gold
    if isinstance(gold, tuple) and isinstance(found, tuple) and len(gold) == len(found):
        return all(one in (None, other) for one, other in zip(gold, found, strict=True))
    return gold == found


def _ctc_metrics(_: HeadConfig, gold: list, found: list) -> dict[str, float]:
    right = [labels if isinstance(labels, frozenset) else {labels} for labels in gold]
    pairs = zip(right, found, strict=True)
    return {
        "accuracy": sum(labels in one for one, labels in pairs) / len(found),
        "error_rate": error_rate(right, found),
    }


def _token_metrics(head: HeadConfig, gold: list, found: list) -> dict[str, float]:
    pairs = zip(chain(*gold), chain(*found), strict=True)
    known = [(a, b) for a, b in pairs if a is not None]
    metrics = {"accuracy": accuracy(*zip(*known, strict=True))}
    if TokenDecoder(head.labels).bio:
        spans = [bio_spans(tags) for tags in gold], [bio_spans(tags) for tags in found]
        metrics["f1"] = span_f1(*spans).f1
    return metrics


METRICS: dict[str, Callable[[HeadConfig, list, list], dict[str, float]]] = {
    "token": _token_metrics,
    "sequence": lambda _, gold, found: {"accuracy": accuracy(gold, found)},
    "value": lambda _, gold, found: {"rmse": rmse(gold, found)},
    "ctc": _ctc_metrics,
}
