"""Texts -> answers: the same work in every peer, with Regard's preprocessing and its session."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import BaseModel
from typing_extensions import TypedDict

from export.bundle import read_file, read_manifest
from export.runtime import Runner
from model.decode import TokenDecoder, softmax, top_classes
from model.preprocess.batch import pad
from model.preprocess.text import TextPreprocessor


class Question(BaseModel):
    """One utterance."""

    text: str


class Label(TypedDict):
    """A word, its label, and that label's probability."""

    text: str
    label: str
    score: float


class Class(TypedDict):
    """The class of the whole utterance, and its probability."""

    label: str
    score: float


class Answer(TypedDict):
    """What a peer says of one utterance."""

    words: list[Label]
    intent: Class


class Answerer:
    """One session of one thread, with what stands before and after it.

    Args:
        bundle: with an int8 graph, a token head and a sequence head.
    """

    def __init__(self, bundle: Path):
        manifest = read_manifest(bundle)
        self.token, self.sequence = (
            next(head for head in manifest.heads if head.kind == kind)
            for kind in ("token", "sequence")
        )
        graph = read_file(manifest, bundle, manifest.graphs["int8"].file)
        self.run = Runner(graph, [self.token.name, self.sequence.name], threads=1)
        tokenizer = read_file(manifest, bundle, "tokenizer.json").decode()
        self.preprocessor = TextPreprocessor(tokenizer, manifest.max_length)
        self.decoder = TokenDecoder(self.token.labels)

    @classmethod
    def load(cls) -> Self:
        """Of the bundle that PEER_BUNDLE names."""
        return cls(Path(os.environ["PEER_BUNDLE"]))

    def __call__(self, texts: Sequence[str]) -> list[Answer]:
        """Answer each text, all in one run of the model."""
        encoded = [self.preprocessor.encode_text(text) for text in texts]
        logits = self.run(pad(encoded))
        classes = softmax(logits[self.sequence.name]).tolist()
        answers: list[Answer] = []
        for row, (text, item) in enumerate(zip(texts, encoded, strict=True)):
            best, scores = self.decoder.decode(logits[self.token.name][row, item.first])
            words: list[Label] = [
                {"text": text[start:end], "label": self.token.labels[index], "score": score}
                for (start, end), index, score in zip(
                    item.words, best.tolist(), scores.tolist(), strict=True
                )
            ]
            [(label, score)] = top_classes(classes[row], self.sequence.labels, 1)
            answers.append({"words": words, "intent": {"label": label, "score": score}})
        return answers


def port() -> int:
    """The port to serve on; the two after it are free as well."""
    return int(os.environ["PEER_PORT"])
