"""Changes on disk: noticed by asking, as network file systems tell nobody."""

import asyncio
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from export.bundle import MANIFEST

logger = logging.getLogger(__name__)

Signature = tuple[tuple[str, int, int, int], ...]
GONE: Signature = ()


class Follower(Protocol):
    """What is told of changes.

    Attributes:
        tried: the signature of each bundle that was loaded or refused, by name; None before that.
    """

    tried: dict[str, Signature] | None

    async def follow(self, name: str, signature: Signature) -> None:
        """Load, reload or unload what has that signature now."""


def signature(bundle: Path) -> Signature:
    """Changes when a file of the folder does; `GONE` where there is no manifest."""
    try:
        with os.scandir(bundle) as entries:
            found = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
    except OSError:
        return GONE
    if not any(name == MANIFEST for name, _ in found):
        return GONE
    return tuple(
        sorted((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in found)
    )


def scan(bundles: Path) -> dict[str, Signature]:
    """The signature of every bundle, by its folder's name; a name with a dot first is passed over.

    Raises:
        OSError: the folder cannot be read.
    """
    with os.scandir(bundles) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    signatures = {name: signature(bundles / name) for name in names}
    return {name: found for name, found in signatures.items() if found != GONE}


async def watch(follower: Follower, bundles: Path, seconds: float, stop: asyncio.Event) -> None:
    """Tell of every change that then rests for one look, so that copies may be finished first."""
    before: dict[str, Signature] = {}
    while not await _wait(stop, seconds):
        if follower.tried is None:
            continue
        try:
            found = await asyncio.to_thread(scan, bundles)
        except OSError:  # all of it is gone: rather a fault of the disk than a wish
            continue
        for name in sorted(found.keys() | follower.tried.keys()):
            now = found.get(name, GONE)
            if now != follower.tried.get(name, GONE) and now == before.get(name, GONE):
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
