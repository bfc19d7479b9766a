"""What would hold up the event loop is done in a worker thread."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

# Some milliseconds each; more is done off the event loop:
LOOP_CHARACTERS = 4_000  # or numbers, that are encoded
LOOP_POSITIONS = 1_000  # whose labels are put into words
LOOP_FLOATS = 20_000  # of attention

Value = TypeVar("Value")


async def call(elsewhere: bool, function: Callable[..., Value], *arguments: Any) -> Value:
    """Call in a worker thread, or at once."""
    if elsewhere:
        return await asyncio.to_thread(function, *arguments)
    return function(*arguments)
