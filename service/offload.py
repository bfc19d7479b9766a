"""What would hold up the event loop is done in a worker thread."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

# Some milliseconds each:
LOOP_CHARACTERS = 4_000  # more than this is encoded and decoded off the event loop,
LOOP_FLOATS = 20_000  # and so are more numbers of attention than this

Value = TypeVar("Value")


async def call(elsewhere: bool, function: Callable[..., Value], *arguments: Any) -> Value:
    """Call in a worker thread, or at once."""
    if elsewhere:
        return await asyncio.to_thread(function, *arguments)
    return function(*arguments)
