"""Attention weights: what a request selects, cut from a batch, and written as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from export.bundle import AttentionInfo
from model.preprocess.text import EncodedText, TextPreprocessor
from service.answers import Position
from service.errors import Fault, InvalidRequest
from service.schemas import AttentionOptions

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Selection:
    """Layers and attention heads, counted from 0; heads may be their mean."""

    layers: tuple[int, ...]
    heads: tuple[int, ...] | Literal["mean"]

    def floats(self, length: int) -> int:
        """The number of weights for an input of that many positions."""
        heads = 1 if self.heads == "mean" else len(self.heads)
        return len(self.layers) * heads * length * length

    def cut(self, weights: Mapping[int, Floats], item: int, length: int) -> Floats:
        """One item's share of a batch, padding cut off.

        Args:
            weights: for each layer (batch, heads, query, key).
            item: index into batch.
            length: of the item.

        Returns:
            (layers, heads, query, key); the mean keeps its axis, with size 1.
        """
        layers = [weights[layer][item, :, :length, :length] for layer in self.layers]
        if self.heads == "mean":
            return np.stack([heads.mean(axis=0, keepdims=True) for heads in layers])
        return np.stack([heads[list(self.heads)] for heads in layers])


def select(options: AttentionOptions, info: AttentionInfo) -> Selection:
    """Check what was asked for against the model.

    Raises:
        InvalidRequest: there is no such layer or attention head.
    """
    layers = _indices("layers", options.layers, info.layers)
    if options.heads == "mean":
        return Selection(layers, "mean")
    return Selection(layers, _indices("heads", options.heads, info.heads))


def _indices(field: str, asked: Literal["all"] | list[int], size: int) -> tuple[int, ...]:
    if asked == "all":
        return tuple(range(size))
    for place, index in enumerate(asked):
        if not -size <= index < size:
            fault: Fault = {
                "loc": ["attention", field, place],
                "message": f"{index} is none of the {size} {field}; -{size} to {size - 1} are",
                "allowed": list(range(-size, size)),
            }
            raise InvalidRequest([fault])
    return tuple(index % size for index in asked)


def name_positions(
    source: str | list[str], encoded: EncodedText, preprocessor: TextPreprocessor
) -> list[Position]:
    """What each position of an input, text or words, is a piece of."""
    named: list[Position] = []
    for token_id, piece in zip(encoded.token_ids.tolist(), encoded.pieces, strict=True):
        if piece is None:
            named.append({"text": preprocessor.special_text(token_id), "special": True})
            continue
        word, start, end = piece
        text = source[word] if encoded.words is None else source
        if encoded.words is not None:
            offset = encoded.words[word][0]
            start, end = start + offset, end + offset
        named.append({"text": str(text[start:end]), "word": word, "start": start, "end": end})
    return named


def to_json(weights: Floats) -> orjson.Fragment:
    """(layers, heads, query, key) as nested JSON lists.

    Written one attention head at a time: orjson holds the interpreter lock while it writes, and
    other requests want their turn.
    """
    layers = (
        b",".join(orjson.dumps(head, option=orjson.OPT_SERIALIZE_NUMPY) for head in layer)
        for layer in weights
    )
    return orjson.Fragment(b"[[" + b"],[".join(layers) + b"]]")
