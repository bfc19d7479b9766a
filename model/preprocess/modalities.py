"""The preprocessor of each modality; what one network is given, training and serving agree upon."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from model.config import PreprocessConfig
from model.preprocess.batch import Encoded, Place
from model.preprocess.graph import GraphPreprocessor
from model.preprocess.image import ImagePreprocessor
from model.preprocess.speech import SpeechPreprocessor
from model.preprocess.spelling import SpellingPreprocessor
from model.preprocess.text import TextPreprocessor
from model.preprocess.vectors import VectorsPreprocessor


class Preprocessor(Protocol):
    """Encodes one input at a time. Safe to use from several threads."""

    def encode(self, source: Any) -> Encoded:
        """Encode an input.

        Raises:
            InputError: it cannot be.
        """

    def place(self, start: int, end: int) -> Place:
        """Where in the source the positions from start to end (exclusive) are."""


# From its config, the most positions of an input, and the contents of `tokenizer.json` ("": none).
Make = Callable[[Any, int, str], Preprocessor]
PREPROCESSORS: Mapping[str, Make] = {
    "text": lambda _, max_length, tokenizer: TextPreprocessor(tokenizer, max_length),
    "spelling": lambda config, max_length, _: SpellingPreprocessor(config, max_length),
    "speech": lambda config, max_length, _: SpeechPreprocessor(config, max_length),
    "image": lambda config, *_: ImagePreprocessor(config),
    "graph": lambda config, max_length, _: GraphPreprocessor(config, max_length),
    "vectors": lambda config, max_length, _: VectorsPreprocessor(config, max_length),
}


def make_preprocessor(config: PreprocessConfig, max_length: int, tokenizer: str) -> Preprocessor:
    """The preprocessor that `config` describes.

    Args:
        config: of the modality.
        max_length: most positions of an input.
        tokenizer: contents of `tokenizer.json`; empty where the modality has none.
    """
    return PREPROCESSORS[config.modality](config, max_length, tokenizer)
