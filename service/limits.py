"""What one request may ask for; checked before anything of it is queued."""

from collections.abc import Sequence

from export.bundle import AttentionInfo
from model.preprocess.text import EncodedText
from service.attention.smaller import find_smaller
from service.attention.view import View
from service.errors import TooLarge
from service.schemas import AttentionOptions
from service.settings import Settings

Source = str | list[str]  # an input: text, or its words


def locate(index: int, many: bool) -> list[str | int]:
    """Where an input is in the request."""
    return ["inputs", index] if many else ["inputs"]


def check_sources(sources: Sequence[Source], many: bool, settings: Settings) -> int:
    """Check number and length; the number of characters in all.

    Raises:
        TooLarge: too many inputs, or one is too long.
    """
    if len(sources) > settings.max_inputs:
        raise _too_large(["inputs"], f"{len(sources)} inputs", settings.max_inputs)
    total = 0
    for index, source in enumerate(sources):
        characters = len(source) if isinstance(source, str) else sum(map(len, source))
        if characters > settings.max_text_characters:
            found = f"{characters} characters"
            raise _too_large(locate(index, many), found, settings.max_text_characters)
        total += characters
    return total


def check_positions(encoded: Sequence[EncodedText], settings: Settings) -> None:
    """Check what is to be computed.

    Raises:
        TooLarge: too many positions in all.
    """
    total = sum(len(text.token_ids) for text in encoded)
    if total > settings.max_request_positions:
        found = f"{total} positions over all inputs"
        raise _too_large(["inputs"], found, settings.max_request_positions)


def check_attention(
    options: AttentionOptions,
    info: AttentionInfo,
    encoded: Sequence[EncodedText],
    views: Sequence[View],
    settings: Settings,
) -> int:
    """Check what is to be answered of attention; how many numbers.

    Raises:
        TooLarge: too many; says what would fit.
    """
    numbers = sum(view.numbers for view in views)
    limit = settings.max_attention_floats
    if numbers > limit:
        advice = "; ask for fewer or shorter inputs"
        if (smaller := find_smaller(options, info, encoded, limit)) is not None:
            asked = smaller.model_dump_json(exclude_defaults=True)
            advice = f'; "attention": {asked} would fit'
        raise _too_large(["attention"], f"{numbers} numbers", limit, advice)
    return numbers


def _too_large(loc: list[str | int], found: str, limit: int, advice: str = "") -> TooLarge:
    return TooLarge([{"loc": loc, "message": f"{found}; at most {limit} are allowed{advice}"}])
