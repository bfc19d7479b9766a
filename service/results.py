"""Logits -> labels, spans and classes in the caller's terms: his text, his words."""

from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple, cast

import numpy as np

from model.config import HeadConfig, HeadKind
from model.ctc import beam_search, greedy
from model.decode import TokenDecoder, softmax, top_classes
from model.preprocess.batch import Encoded
from model.preprocess.modalities import Preprocessor
from model.preprocess.text import EncodedText
from service.answers import Class, Label, Result, Span, Transcript, TranscriptLabel
from service.attention.kinds import Floats
from service.attention.positions import place_position
from service.attention.view import Tensors, View
from service.inputs import Source
from service.schemas import Options

DIGITS = 6  # of a score


class Decoded(NamedTuple):
    """Of each word: the index of its label, and that label's probability, rounded to DIGITS."""

    labels: list[int]
    scores: list[float]


class Query(NamedTuple):
    """One encoded input.

    encoded, length: the input, and its number of positions
    view: what is asked for of its attention, if anything
    raw: logits are asked for, not what they mean
    """

    encoded: Encoded
    length: int
    view: View | None
    raw: bool


class Outputs(NamedTuple):
    """What the model gave for one query, padding cut off.

    labels: of each token head; empty where raw
    classes: the probability of each class, of each sequence head; empty where raw
    values: of each value head; empty where raw
    transcripts: logits (length, labels) of each ctc head; empty where raw
    logits: where raw, of each head, (length, labels) or (labels,)
    attention: what was asked for of it, if anything
    """

    labels: dict[str, Decoded]
    classes: dict[str, list[float]]
    values: dict[str, float]
    transcripts: dict[str, Floats]
    logits: dict[str, Floats]
    attention: Tensors | None

    @property
    def finite(self) -> bool:
        """Whether all that the heads gave are numbers."""
        scores = [decoded.scores for decoded in self.labels.values()]
        parts = (self.classes, self.values, self.transcripts, self.logits)
        numbers = [*scores, *(each for part in parts for each in part.values())]
        return all(np.isfinite(each).all() for each in numbers)


class Heads:
    """What the heads of a model say.

    Attributes:
        names: of all of them.
        kinds: that there are.
    """

    def __init__(self, heads: Sequence[HeadConfig]):
        self._tokens = {h.name: TokenDecoder(h.labels) for h in heads if h.kind == "token"}
        self._sequences = {h.name: h.labels for h in heads if h.kind == "sequence"}
        self._values = [h.name for h in heads if h.kind == "value"]
        self._transcripts = {h.name: h.labels for h in heads if h.kind == "ctc"}
        self.names = [head.name for head in heads]
        self.kinds = {head.kind for head in heads}

    def transcribe(self, kinds: Collection[HeadKind]) -> bool:
        """Whether they do, asked for these kinds: that takes some milliseconds for each input."""
        return "ctc" in kinds and bool(self._transcripts)

    def read(
        self,
        logits: Mapping[str, Floats],
        queries: Sequence[Query],
        attention: Sequence[Tensors | None],
    ) -> list[Outputs]:
        """What there is for each query.

        Args:
            logits: by head, (batch, length, labels), (batch, labels) or (batch,).
            queries: the batch.
            attention: what was asked for of it.
        """
        labels = {n: _decode(decoder, logits[n], queries) for n, decoder in self._tokens.items()}
        classes = {name: softmax(logits[name]).tolist() for name in self._sequences}
        values = {name: logits[name].tolist() for name in self._values}
        return [
            Outputs({}, {}, {}, {}, self._cut(logits, item, query.length), seen)
            if query.raw
            else Outputs(
                {name: decoded[item] for name, decoded in labels.items()},
                {name: probabilities[item] for name, probabilities in classes.items()},
                {name: numbers[item] for name, numbers in values.items()},
                {n: logits[n][item, : query.length].copy() for n in self._transcripts},
                {},
                seen,
            )
            for item, (query, seen) in enumerate(zip(queries, attention, strict=True))
        ]

    def _cut(self, logits: Mapping[str, Floats], item: int, length: int) -> dict[str, Floats]:
        """One item's share of a batch."""
        return {
            name: logits[name][item, :length] for name in (*self._tokens, *self._transcripts)
        } | {name: logits[name][item] for name in (*self._sequences, *self._values)}

    def answer(
        self,
        source: Source,
        encoded: Encoded,
        preprocessor: Preprocessor,
        outputs: Outputs,
        kinds: Collection[HeadKind],
        options: Options,
    ) -> Result:
        """The answer to one input: `source`, of which `preprocessor` made `encoded`."""
        result: Result = {}
        if "token" in kinds and self._tokens:
            result["labels"] = {}
            for name, decoder in self._tokens.items():
                decoded = outputs.labels[name]
                if isinstance(encoded, EncodedText):
                    labels, spans = label_words(source, encoded, decoder, decoded)
                else:
                    labels, spans = label_positions(encoded, preprocessor, decoder, decoded), []
                result["labels"][name] = labels
                if decoder.bio:
                    result.setdefault("spans", {})[name] = spans
        if "sequence" in kinds and self._sequences:
            result["classes"] = {
                name: rank_classes(labels, outputs.classes[name], options)
                for name, labels in self._sequences.items()
            }
        if "value" in kinds and self._values:
            result["values"] = {n: round(outputs.values[n], DIGITS) for n in self._values}
        if "ctc" in kinds and self._transcripts:
            result["transcripts"] = {
                name: transcribe(preprocessor, labels, outputs.transcripts[name], options)
                for name, labels in self._transcripts.items()
            }
        return result


def _decode(decoder: TokenDecoder, logits: Floats, queries: Sequence[Query]) -> list[Decoded]:
    """Of each query, from logits (batch, length, labels): rows at words' first pieces count."""
    firsts = [() if query.raw else query.encoded.labelled for query in queries]
    words = [len(first) for first in firsts]
    length = logits.shape[1]
    rows = [row * length + position for row, first in enumerate(firsts) for position in first]
    if not rows:
        return [Decoded([], [])] * len(queries)
    best, scores = decoder.decode_batch(
        logits.reshape(-1, logits.shape[-1]).take(rows, axis=0), [count for count in words if count]
    )
    labels, rounded = best.tolist(), scores.astype(np.float64).round(DIGITS).tolist()
    stops = list(accumulate(words))
    return [
        Decoded(labels[stop - count : stop], rounded[stop - count : stop])
        for stop, count in zip(stops, words, strict=True)
    ]


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


def label_positions(
    encoded: Encoded, preprocessor: Preprocessor, decoder: TokenDecoder, decoded: Decoded
) -> list[Label]:
    """A label for every position, where an input has no words."""
    return [
        cast(
            Label,
            {**place_position(preprocessor, at), "label": decoder.labels[label], "score": score},
        )
        for at, label, score in zip(encoded.labelled, decoded.labels, decoded.scores, strict=True)
    ]


def transcribe(
    preprocessor: Preprocessor, labels: Sequence[str], logits: Floats, options: Options
) -> Transcript:
    """The labels that a network chose, and where each is from; logits (length, labels)."""
    width = options.beam_width
    found = greedy(logits) if width == 1 else beam_search(logits, width)[0]
    names = [labels[index] for index in found.labels]
    places = [preprocessor.place(start, end) for start, end in found.spans]
    return {
        "text": " ".join(names),
        "score": round(found.score, DIGITS),
        "labels": [
            cast(TranscriptLabel, {**place, "label": name})
            for place, name in zip(places, names, strict=True)
        ],
    }


def rank_classes(
    labels: Sequence[str], probabilities: Sequence[float], options: Options
) -> list[Class]:
    """The most probable classes, as many as asked for."""
    return [
        {"label": label, "score": round(score, DIGITS)}
        for label, score in top_classes(probabilities, labels, options.top_k)
        if score >= options.threshold
    ]
