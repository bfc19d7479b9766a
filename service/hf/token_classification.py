"""Logits of a token head -> the answer of a `transformers` token-classification pipeline.

By its `aggregation_strategy` pieces are joined to words first (`first`, `average`, `max`) or not
(`simple`), and then to entities, of which neighbouring chunks may have the same.
"""

from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer, decoders

from model.decode import softmax
from model.preprocess.text import EncodedText
from service.answers import Entity
from service.attention.kinds import Floats
from service.schemas import Parameters

OUTSIDE = ("O",)
# Scores of a word's pieces (pieces, labels) -> of the word (labels,).
JOIN: dict[str, Callable[[Floats], Floats]] = {
    "first": lambda scores: scores[0],
    "average": lambda scores: scores.mean(axis=0),
    "max": lambda scores: scores[scores.max(axis=1).argmax()],
}


class Piece(NamedTuple):
    """A piece of a text, or a word made of several.

    text: as the tokenizer writes it.
    start, end: where it is in the text.
    joins: it goes on with the word before.
    """

    text: str
    start: int
    end: int
    joins: bool


class Labelled(NamedTuple):
    """A piece or a word, and its most probable label."""

    piece: Piece
    label: str
    score: float


class Pieces:
    """Reads pieces as `transformers` does, and writes them as text.

    Args:
        tokenizer: of the model.
    """

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._unknown = tokenizer.token_to_id("[UNK]")
        self._prefix = getattr(tokenizer.model, "continuing_subword_prefix", None)
        self._decoder = tokenizer.decoder
        if self._decoder is None and self._prefix:
            self._decoder = decoders.WordPiece(prefix=self._prefix)  # as a BertTokenizer has it

    def read(self, text: str, encoded: EncodedText) -> list[Piece]:
        """The pieces of a text, or of a chunk of it."""
        return [
            self._read(text, token_id, *span)
            for token_id, span in zip(
                encoded.token_ids[1:-1].tolist(), encoded.words or [], strict=True
            )
        ]

    def _read(self, text: str, token_id: int, start: int, end: int) -> Piece:
        if token_id == self._unknown:
            return Piece(text[start:end], start, end, False)
        token = str(self._tokenizer.id_to_token(token_id))
        if self._prefix:
            joins = len(token) != end - start
        else:
            joins = start > 0 and " " not in text[start - 1 : start + 1]
        return Piece(token, start, end, joins)

    def join(self, pieces: Sequence[Piece]) -> Piece:
        """Make one of several."""
        texts = [piece.text for piece in pieces]
        text = " ".join(texts) if self._decoder is None else self._decoder.decode(texts)
        return Piece(text, pieces[0].start, pieces[-1].end, False)


def classify(
    tokenizer: Tokenizer,
    labels: Sequence[str],
    parameters: Parameters,
    text: str,
    chunks: Sequence[tuple[EncodedText, Floats]],
) -> list[Entity]:
    """The entities of one text.

    Args:
        tokenizer: of the model.
        labels: their names.
        parameters: of the request.
        text: whole.
        chunks: of the text, each with its logits (length, labels).
    """
    strategy = parameters.aggregation_strategy or "simple"
    ignored = OUTSIDE if parameters.ignore_labels is None else parameters.ignore_labels
    pieces = Pieces(tokenizer)
    found = []
    for encoded, logits in chunks:
        read, scores = pieces.read(text, encoded), softmax(logits[1:-1])
        if strategy == "none":
            found.extend(_single(_label(read, scores, labels), ignored))
            continue
        if join := JOIN.get(strategy):
            read, scores = _join_words(pieces, read, scores, join)
        found.extend(_group(pieces, _label(read, scores, labels), ignored))
    return _resolve(found) if len(chunks) > 1 else found


def _label(pieces: Sequence[Piece], scores: Floats, labels: Sequence[str]) -> list[Labelled]:
    best = [labels[index] for index in scores.argmax(axis=-1)]
    return [
        Labelled(*parts) for parts in zip(pieces, best, scores.max(axis=-1).tolist(), strict=True)
    ]


def _join_words(
    pieces: Pieces, read: Sequence[Piece], scores: Floats, join: Callable[[Floats], Floats]
) -> tuple[list[Piece], Floats]:
    """Words in place of pieces, and their scores (words, labels)."""
    starts = [index for index, piece in enumerate(read) if index == 0 or not piece.joins]
    slices = [slice(*bounds) for bounds in pairwise([*starts, len(read)])]
    words = [pieces.join(read[part]) for part in slices]
    return words, np.array([join(scores[part]) for part in slices]).reshape(-1, scores.shape[-1])


def _single(labelled: Sequence[Labelled], ignored: Collection[str]) -> list[Entity]:
    return [
        {
            "entity": label,
            "score": score,
            "index": position,
            "word": piece.text,
            "start": piece.start,
            "end": piece.end,
        }
        for position, (piece, label, score) in enumerate(labelled, 1)
        if label not in ignored
    ]


def _group(pieces: Pieces, labelled: Sequence[Labelled], ignored: Collection[str]) -> list[Entity]:
    """Neighbours of the same type are one entity; a B- label begins another."""
    groups: list[list[Labelled]] = []
    for item in labelled:
        if groups and not item.label.startswith("B-") and _type(item) == _type(groups[-1][-1]):
            groups[-1].append(item)
        else:
            groups.append([item])
    return [
        entity
        for group in groups
        if (entity := _entity(pieces, group))["entity_group"] not in ignored
    ]


def _type(item: Labelled) -> str:
    """B-city, I-city -> city."""
    return item.label[2:] if item.label.startswith(("B-", "I-")) else item.label


def _entity(pieces: Pieces, group: Sequence[Labelled]) -> Entity:
    whole = pieces.join([item.piece for item in group])
    return {
        "entity_group": group[0].label.split("-", 1)[-1],
        "score": sum(item.score for item in group) / len(group),
        "word": whole.text,
        "start": whole.start,
        "end": whole.end,
    }


def _resolve(entities: Sequence[Entity]) -> list[Entity]:
    """Of entities that overlap, those of neighbouring chunks, the longest; of these the surest."""
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda entity: entity["start"]):
        if not kept or entity["start"] >= kept[-1]["end"]:
            kept.append(entity)
        elif _strength(entity) > _strength(kept[-1]):
            kept[-1] = entity
    return kept


def _strength(entity: Entity) -> tuple[int, float]:
    return entity["end"] - entity["start"], entity["score"]
