"""What one request may ask for; checked before anything of it is queued."""

from collections.abc import Sequence

from model.preprocess.text import EncodedText
from service.attention import Selection
from service.errors import TooLarge
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


def check_positions(
    encoded: Sequence[EncodedText], selection: Selection | None, settings: Settings
) -> int:
    """Check what is to be computed; the number of attention weights in the answer.

    Raises:
        TooLarge: too many positions in all, or too many attention weights.
    """
    lengths = [len(text.token_ids) for text in encoded]
    if sum(lengths) > settings.max_request_positions:
        found = f"{sum(lengths)} positions over all inputs"
        raise _too_large(["inputs"], found, settings.max_request_positions)
    floats = sum(map(selection.floats, lengths)) if selection else 0
    if floats > settings.max_attention_floats:
        found = f"{floats} attention weights"
        advice = '; ask for fewer layers or heads, heads "mean", or fewer or shorter inputs'
        raise _too_large(["attention"], found, settings.max_attention_floats, advice)
    return floats


def _too_large(loc: list[str | int], found: str, limit: int, advice: str = "") -> TooLarge:
    return TooLarge([{"loc": loc, "message": f"{found}; at most {limit} are allowed{advice}"}])
