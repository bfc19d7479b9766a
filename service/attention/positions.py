"""What the rows and columns of the answer are: positions of the input, or its words."""

from typing import NamedTuple, cast

from model.preprocess.batch import Encoded
from model.preprocess.modalities import Preprocessor
from model.preprocess.text import EncodedText, TextPreprocessor
from service.answers import Position
from service.inputs import Source
from service.schemas import AttentionOptions, Level


class Unit(NamedTuple):
    """Where it is: in the text or, where words were given, in the word."""

    word: int
    start: int
    end: int


def units(encoded: EncodedText, level: Level) -> list[Unit | None]:
    """What is answered as positions; None: a special one."""
    if not encoded.first:
        return [None] * len(encoded.token_ids)
    if level == "word":
        spans = encoded.words or [(offsets[0][0], offsets[-1][1]) for offsets in encoded.offsets]
        return [None, *(Unit(word, *span) for word, span in enumerate(spans)), None]
    if encoded.words is None:
        return [piece and Unit(*piece) for piece in encoded.pieces]
    return [
        piece and Unit(piece[0], *(encoded.words[piece[0]][0] + offset for offset in piece[1:]))
        for piece in encoded.pieces
    ]


def name_positions(
    source: Source,
    encoded: Encoded,
    options: AttentionOptions,
    preprocessor: Preprocessor,
) -> list[Position]:
    """What each of them is, in the caller's terms; of text, `source` is it, or its words."""
    if isinstance(encoded, EncodedText) and isinstance(preprocessor, TextPreprocessor):
        return _name_pieces(source, encoded, options, preprocessor)
    return [place_position(preprocessor, index) for index in range(encoded.length)]


def place_position(preprocessor: Preprocessor, index: int) -> Position:
    """Where one is in its source."""
    return cast(Position, preprocessor.place(index, index + 1))


def _name_pieces(
    source: str | list[str],
    encoded: EncodedText,
    options: AttentionOptions,
    preprocessor: TextPreprocessor,
) -> list[Position]:
    special = [preprocessor.special_text(int(encoded.token_ids[place])) for place in (0, -1)]
    named: list[Position] = []
    for unit in units(encoded, options.level):
        if unit is None:
            named.append({"text": special[len(named) > 0], "special": True})
        else:
            word, start, end = unit
            text = source if isinstance(source, str) else source[word]
            if options.level == "word" and text is not source:
                start, end = 0, len(text)
            named.append({"text": text[start:end], "word": word, "start": start, "end": end})
    return named[1:-1] if options.special == "drop" else named
