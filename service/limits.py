"""What one request may ask for; checked before anything of it is queued."""

from collections.abc import Sequence
from typing import Any

from export.bundle import AttentionInfo
from model.preprocess.batch import Encoded
from service.attention.smaller import find_smaller
from service.attention.view import View
from service.errors import TooLarge
from service.inputs import size_of
from service.schemas import AttentionOptions, Words
from service.settings import Settings

TEXTS = (str, list, Words)


def locate(index: int, many: bool) -> list[str | int]:
    """Where an input is in the request."""
    return ["inputs", index] if many else ["inputs"]


def check_inputs(given: Sequence[Any], many: bool, settings: Settings) -> int:
    """Check the number of inputs and the length of texts; what they weigh in all, see `size_of`.

    Raises:
        TooLarge: too many inputs, or a text is too long.
    """
    if len(given) > settings.max_inputs:
        raise _too_large(["inputs"], f"{len(given)} inputs", settings.max_inputs)
    total = 0
    for index, each in enumerate(given):
        size = size_of(each)
        if size > settings.max_text_characters and isinstance(each, TEXTS):
            found = f"{size} characters"
            raise _too_large(locate(index, many), found, settings.max_text_characters)
        total += size
    return total


def check_positions(positions: int, settings: Settings) -> None:
    """Check how many there are in all, as far as they are known.

    Raises:
        TooLarge: too many.
    """
    limit = settings.max_request_positions
    if positions > limit:
        message = f"more than the {limit} positions over all inputs that are allowed"
        raise TooLarge([{"loc": ["inputs"], "message": message}])


def check_attention(
    options: AttentionOptions,
    info: AttentionInfo,
    encoded: Sequence[Encoded],
    views: Sequence[View],
    settings: Settings,
) -> int:
    """Check what is to be answered of attention; how many numbers.

    Raises:
        TooLarge: too many; says what would fit.
    """
    numbers = sum(view.numbers for view in views)
    limit = settings.max_attention_floats
    for view in views:
        if view.scratch > limit:
            found = f"{view.scratch} weights to be laid out for it"
            raise _too_large(["attention"], found, limit, '; ask for fewer rows by "query"')
    if numbers > limit:
        advice = "; ask for fewer or shorter inputs"
        if (smaller := find_smaller(options, info, encoded, limit)) is not None:
            asked = smaller.model_dump_json(exclude_defaults=True)
            advice = f'; "attention": {asked} would fit'
        raise _too_large(["attention"], f"{numbers} numbers", limit, advice)
    return numbers


def _too_large(loc: list[str | int], found: str, limit: int, advice: str = "") -> TooLarge:
    return TooLarge([{"loc": loc, "message": f"{found}; at most {limit} are allowed{advice}"}])
