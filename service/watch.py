"""Changes on disk: noticed by asking, as network file systems tell nobody."""

import asyncio
import logging
from contextlib import suppress
from typing import Protocol

from service.bundles import Bundles, Found

logger = logging.getLogger(__name__)


class Follower(Protocol):
    """What is told of changes.

    Attributes:
        tried: each bundle as it was when it was loaded or refused, by name; None before that.
    """

    tried: dict[str, Found] | None

    async def follow(self, name: str, found: Found | None) -> None:
        """Load, reload or unload what is so now; None: it is gone."""


async def watch(follower: Follower, bundles: Bundles, seconds: float, stop: asyncio.Event) -> None:
    """Tell of every change that then rests for one look, so that copies may be finished first."""
    before: dict[str, Found] = {}
    while not await _wait(stop, seconds):
        if follower.tried is None:
            continue
        found = await asyncio.to_thread(bundles.scan)
        for name in sorted(found.keys() | follower.tried.keys()):
            now = found.get(name)
            if now != follower.tried.get(name) and now == before.get(name):
                try:
                    await follower.follow(name, now)
                except Exception:
                    logger.exception("a bug: %s could not be followed", name)
        before = found


async def _wait(stop: asyncio.Event, seconds: float) -> bool:
    """Whether it came to stop meanwhile."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()
