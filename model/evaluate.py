"""Metrics of every head over labelled examples, whatever computes the logits: torch or a bundle."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from model.config import HeadConfig
from model.data.examples import Example
from model.decode import TokenDecoder
from model.metrics import accuracy, bio_spans, span_f1
from model.preprocess.batch import pad
from model.preprocess.text import TextPreprocessor

Arrays = dict[str, NDArray[np.floating]]
Run = Callable[[NDArray[np.int64], NDArray[np.bool_]], Arrays]
BATCH = 32


def evaluate(
    run: Run,
    preprocessor: TextPreprocessor,
    heads: Sequence[HeadConfig],
    examples: Sequence[Example],
) -> dict[str, float]:
    """Metrics by name.

    `<head>.accuracy` over the words of token heads and the inputs of sequence heads, `<head>.f1`
    over the spans of BIO heads, and `exact_match`: every head right.

    Args:
        run: token ids and valid (batch, length) -> logits by head name.
        preprocessor: encodes an example's words.
        heads: the heads in `run`'s answer.
        examples: with a target for each head.
    """
    answers = list(predict(run, preprocessor, heads, examples))
    metrics: dict[str, float] = {}
    for head in heads:
        gold = [example.targets[head.name] for example in examples]
        found = [answer[head.name] for answer in answers]
        if head.kind == "sequence":
            metrics[f"{head.name}.accuracy"] = accuracy(gold, found)
            continue
        words = [word for tags in gold for word in tags], [word for tags in found for word in tags]
        metrics[f"{head.name}.accuracy"] = accuracy(*words)
        if TokenDecoder(head.labels).bio:
            spans = [bio_spans(tags) for tags in gold], [bio_spans(tags) for tags in found]
            metrics[f"{head.name}.f1"] = span_f1(*spans).f1
    gold = [{head.name: example.targets[head.name] for head in heads} for example in examples]
    metrics["exact_match"] = accuracy(gold, answers)
    return metrics


def predict(
    run: Run,
    preprocessor: TextPreprocessor,
    heads: Sequence[HeadConfig],
    examples: Sequence[Example],
) -> Iterator[dict[str, tuple[str, ...] | str]]:
    """What the network says of each example, in the form of `Example.targets`."""
    decoders = {head.name: TokenDecoder(head.labels) for head in heads if head.kind == "token"}
    remaining = iter(examples)
    while batch := list(islice(remaining, BATCH)):
        encoded = [preprocessor.encode_words(list(example.words)) for example in batch]
        logits = run(*pad([item.token_ids for item in encoded]))
        for row, item in enumerate(encoded):
            answer: dict[str, tuple[str, ...] | str] = {}
            for head in heads:
                if head.kind == "sequence":
                    answer[head.name] = head.labels[int(logits[head.name][row].argmax())]
                else:
                    best, _ = decoders[head.name].decode(logits[head.name][row, item.first])
                    answer[head.name] = tuple(head.labels[i] for i in best)
            yield answer
