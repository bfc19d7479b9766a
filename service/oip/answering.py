"""What a model computed, as the tensors that were asked for."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from model.preprocess.batch import Encoded
from model.preprocess.text import EncodedText
from service.answers import Transcript
from service.attention.positions import name_positions
from service.oip.arrays import check_floats, resolve
from service.oip.asking import Asked, Wanted
from service.oip.surface import Surface
from service.oip.tensors import Tensor, Values
from service.predictor import Predictor
from service.results import Outputs, label_words, transcribe
from service.schemas import AttentionOptions, Options

NO_KEY = -1  # where an input has fewer rows, or fewer keys, than another
Computed = Sequence[tuple[Encoded, Outputs]]


def answer(
    predictor: Predictor, surface: Surface, asked: Asked, computed: Computed
) -> list[Tensor]:
    """The tensors that were asked for.

    Raises:
        TooLarge: there is more attention than allowed, because of padding.
    """
    make = (_OfGraph if asked.raw else _OfSources)(predictor, surface, asked, computed)
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


class _OfGraph:
    """What the graph gives; 0 where the given positions or edges are padding."""

    def __init__(self, _: Predictor, surface: Surface, asked: Asked, computed: Computed):
        manifest, self._surface = surface.manifest, surface
        self._outputs = [outputs for _, outputs in computed]
        self._shapes = {
            tensor.name: resolve(tensor.axes[1:], asked.sizes) for tensor in manifest.outputs
        }
        self._layers = sorted(
            surface.layers[wanted.name] for wanted in asked.wanted if wanted.name in surface.layers
        )

    def __call__(self, name: str) -> Values:
        """With the axes that the manifest says."""
        if name in self._surface.layers:
            place = self._layers.index(self._surface.layers[name])
            found = [out.attention["weights"][place] for out in self._outputs if out.attention]
        else:
            found = [outputs.logits[name] for outputs in self._outputs]
        return _stack(found, self._shapes[name])


class _OfSources:
    """What it means: labels, scores, places in the source."""

    def __init__(self, predictor: Predictor, surface: Surface, asked: Asked, computed: Computed):
        self._predictor = predictor
        self._surface = surface
        self._sources = asked.sources
        self._computed = computed
        self._texts = [(text, out) for text, out in computed if isinstance(text, EncodedText)]
        self._options = asked.attention or AttentionOptions()
        self._heard: dict[str, list[Transcript]] = {}

    def __call__(self, name: str) -> Values:
        """By its name: of a head and a dot and what of it, or of what all heads have."""
        head, _, part = name.rpartition(".")
        return MAKERS[part](self, head)

    def _counts(self, _: str) -> Values:
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
        if head in self._surface.transcripts:
            return np.array([heard["score"] for heard in self._hear(head)], np.float32)
        scores = [score for _, out in self._computed for score in out.labels[head].scores]
        return np.array(scores, np.float32)

    def _probabilities(self, head: str) -> Values:
        return np.array([out.classes[head] for _, out in self._computed], np.float32)

    def _values(self, head: str) -> Values:
        return np.array([out.values[head] for _, out in self._computed], np.float32)

    def _transcripts(self, head: str) -> Values:
        return [heard["text"] for heard in self._hear(head)]

    def _hear(self, head: str) -> list[Transcript]:
        if head not in self._heard:
            preprocessor, labels = self._predictor.preprocessor, self._surface.transcripts[head]
            self._heard[head] = [
                transcribe(preprocessor, labels, out.transcripts[head], Options())
                for _, out in self._computed
            ]
        return self._heard[head]

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
MAKERS: dict[str, Callable[[_OfSources, str], Values]] = {
    "word_counts": _OfSources._counts,
    "position_counts": _OfSources._counts,
    "offsets": _OfSources._offsets,
    "labels": _OfSources._labels,
    "scores": _OfSources._scores,
    "values": _OfSources._values,
    "transcripts": _OfSources._transcripts,
    "spans": _OfSources._spans,
    "probabilities": _OfSources._probabilities,
    "positions": _OfSources._positions,
    "attention": _OfSources._attention,
    "attention_keys": _OfSources._attention_keys,
}


def _stack(items: Sequence[NDArray[Any]], shape: tuple[int, ...], padding: int = 0) -> NDArray[Any]:
    """Items of any size, each at the start of its own (batch, *shape); padding elsewhere."""
    stacked = np.full((len(items), *shape), padding, items[0].dtype)
    for place, item in enumerate(items):
        inside: Any = (place, *map(slice, item.shape))
        stacked[inside] = item
    return stacked
