"""Logits -> labels, spans and classes in the caller's terms: his text, his words."""

from collections.abc import Sequence
from typing import NamedTuple

from model.decode import TokenDecoder, top_classes
from model.preprocess.text import EncodedText
from service.answers import Class, Label, Span
from service.limits import Source
from service.schemas import Options

DIGITS = 6  # of a score


class Decoded(NamedTuple):
    """Of each word: the index of its label, and that label's probability, rounded to DIGITS."""

    labels: list[int]
    scores: list[float]


def label_words(
    source: Source, encoded: EncodedText, decoder: TokenDecoder, decoded: Decoded
) -> tuple[list[Label], list[Span]]:
    """A label for every word, and the spans they form (none without BIO labels).

    Args:
        source: what `encoded` was made of.
        encoded: says where the words are.
        decoder: of the head.
        decoded: what it made of the words.
    """
    scores = decoded.scores
    names = [decoder.labels[index] for index in decoded.labels]
    spans = decoder.spans(decoded.labels, scores) if decoder.bio else []
    if isinstance(source, str):
        words = encoded.words or []
        return [
            {"text": source[start:end], "start": start, "end": end, "label": name, "score": score}
            for (start, end), name, score in zip(words, names, scores, strict=True)
        ], [
            {
                "text": source[words[first][0] : words[stop - 1][1]],
                "start": words[first][0],
                "end": words[stop - 1][1],
                "label": label,
                "score": round(score, DIGITS),
            }
            for first, stop, label, score in spans
        ]
    return [
        {"text": text, "word": index, "label": name, "score": score}
        for index, (text, name, score) in enumerate(zip(source, names, scores, strict=True))
    ], [
        {
            "text": " ".join(source[first:stop]),
            "first_word": first,
            "last_word": stop - 1,
            "label": label,
            "score": round(score, DIGITS),
        }
        for first, stop, label, score in spans
    ]


def rank_classes(
    labels: Sequence[str], probabilities: Sequence[float], options: Options
) -> list[Class]:
    """The most probable classes, as many as asked for."""
    return [
        {"label": label, "score": round(score, DIGITS)}
        for label, score in top_classes(probabilities, labels, options.top_k)
        if score >= options.threshold
    ]
