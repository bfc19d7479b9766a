"""What a model computed, as the tensors that were asked for."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from model.preprocess.batch import Encoded
from model.preprocess.text import EncodedText
from service.attention.positions import name_positions
from service.oip.asking import Asked, Wanted, check_floats
from service.oip.surface import Surface
from service.oip.tensors import Tensor, Values
from service.predictor import Predictor
from service.results import Outputs, label_words
from service.schemas import AttentionOptions

NO_KEY = -1  # where an input has fewer rows, or fewer keys, than another
Computed = Sequence[tuple[Encoded, Outputs]]


def answer(
    predictor: Predictor, surface: Surface, asked: Asked, computed: Computed
) -> list[Tensor]:
    """The tensors that were asked for.

    Raises:
        TooLarge: there is more attention than allowed, because of padding.
    """
    make = (_OfIds if asked.raw else _OfText)(predictor, surface, asked, computed)
    return [_name(wanted, make(wanted.name), surface) for wanted in asked.wanted]


def _name(wanted: Wanted, values: Values, surface: Surface) -> Tensor:
    if isinstance(values, list):
        return Tensor(wanted.name, (len(values),), values)
    if not wanted.classes:
        return Tensor(wanted.name, values.shape, values)
    labels = surface.classes[wanted.name.removesuffix(".probabilities")]
    ranked = np.argsort(-values, axis=1, kind="stable")[:, : wanted.classes]
    told = [
        f"{value:f}:{index}:{labels[index]}"
        for row, indices in zip(values.tolist(), ranked.tolist(), strict=True)
        for index, value in ((index, row[index]) for index in indices)
    ]
    return Tensor(wanted.name, ranked.shape, told)


class _OfIds:
    """What the graph gives; 0 where the given positions are padding."""

    def __init__(self, _: Predictor, surface: Surface, asked: Asked, computed: Computed):
        self._surface = surface
        self._length = asked.length
        self._outputs = [outputs for _, outputs in computed]
        self._layers = [
            surface.layers[wanted.name] for wanted in asked.wanted if wanted.name in surface.layers
        ]

    def __call__(self, name: str) -> Values:
        """Of shape (batch, labels), (batch, length, labels) or (batch, heads, query, key)."""
        if name in self._surface.classes:
            return np.stack([outputs.logits[name] for outputs in self._outputs])
        if name in self._surface.decoders:
            labels = len(self._surface.decoders[name].labels)
            logits = [outputs.logits[name] for outputs in self._outputs]
            return _stack(logits, (self._length, labels))
        place = sorted(self._layers).index(self._surface.layers[name])
        heads = self._surface.manifest.attention.heads
        weights = [out.attention["weights"][place] for out in self._outputs if out.attention]
        return _stack(weights, (heads, self._length, self._length))


class _OfText:
    """What it means: labels, scores, places in the text."""

    def __init__(self, predictor: Predictor, surface: Surface, asked: Asked, computed: Computed):
        self._predictor = predictor
        self._surface = surface
        self._sources = [s for s in asked.sources if not isinstance(s, np.ndarray)]
        self._computed = computed
        self._texts = [(text, out) for text, out in computed if isinstance(text, EncodedText)]
        self._options = asked.attention or AttentionOptions()

    def __call__(self, name: str) -> Values:
        """By its name: of a head and a dot and what of it, or of what all heads have."""
        head, _, part = name.rpartition(".")
        return MAKERS[part](self, head)

    def _word_counts(self, _: str) -> Values:
        return np.array([len(item.labelled) for item, _ in self._computed], np.int32)

    def _offsets(self, _: str) -> Values:
        ends = [end for text, _ in self._texts for word in text.words or () for end in word]
        return np.array(ends, np.int32).reshape(-1, 2)

    def _labels(self, head: str) -> Values:
        if classes := self._surface.classes.get(head):
            each = [out.classes[head] for _, out in self._computed]
            return [classes[scores.index(max(scores))] for scores in each]
        labels = self._surface.decoders[head].labels
        return [labels[index] for _, out in self._computed for index in out.labels[head].labels]

    def _scores(self, head: str) -> Values:
        if head in self._surface.classes:
            best = [max(out.classes[head]) for _, out in self._computed]
            return np.array(best, np.float32)
        scores = [score for _, out in self._computed for score in out.labels[head].scores]
        return np.array(scores, np.float32)

    def _probabilities(self, head: str) -> Values:
        return np.array([out.classes[head] for _, out in self._computed], np.float32)

    def _spans(self, head: str) -> Values:
        decoder = self._surface.decoders[head]
        spans = [
            label_words(source, text, decoder, out.labels[head])[1]
            for source, (text, out) in zip(self._sources, self._texts, strict=True)
        ]
        return [orjson.dumps(found).decode() for found in spans]

    def _positions(self, _: str) -> Values:
        preprocessor = self._predictor.preprocessor
        return [
            orjson.dumps(name_positions(source, text, self._options, preprocessor)).decode()
            for source, (text, _) in zip(self._sources, self._computed, strict=True)
        ]

    def _attention(self, _: str) -> Values:
        kind = self._options.kind
        return self._tensor("weights" if kind == "rollout" else kind, 0)

    def _attention_keys(self, _: str) -> Values:
        return self._tensor("keys", NO_KEY)

    def _tensor(self, name: str, padding: int) -> Values:
        found = [out.attention[name] for _, out in self._computed if out.attention]
        shape = tuple(np.max([each.shape for each in found], axis=0).tolist())
        check_floats(len(found) * int(np.prod(shape)), self._predictor.settings)
        return _stack(found, shape, padding)


# What makes each; not of an instance, which would then hold itself.
MAKERS: dict[str, Callable[[_OfText, str], Values]] = {
    "word_counts": _OfText._word_counts,
    "offsets": _OfText._offsets,
    "labels": _OfText._labels,
    "scores": _OfText._scores,
    "spans": _OfText._spans,
    "probabilities": _OfText._probabilities,
    "positions": _OfText._positions,
    "attention": _OfText._attention,
    "attention_keys": _OfText._attention_keys,
}


def _stack(items: Sequence[NDArray[Any]], shape: tuple[int, ...], padding: int = 0) -> NDArray[Any]:
    """Items of any size, each at the start of its own (batch, *shape); padding elsewhere."""
    stacked = np.full((len(items), *shape), padding, items[0].dtype)
    for whole, item in zip(stacked, items, strict=True):
        whole[tuple(map(slice, item.shape))] = item
    return stacked
