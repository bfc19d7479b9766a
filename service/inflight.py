"""Counting calls, so that what they use can be taken away after the last of them."""

import asyncio
from types import TracebackType


class InFlight:
    """Counts those inside its `with`. Of one event loop."""

    def __init__(self) -> None:
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def __enter__(self) -> None:
        self._count += 1
        self._idle.clear()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._count -= 1
        if not self._count:
            self._idle.set()

    async def wait_idle(self) -> None:
        """Wait until nobody is inside."""
        await self._idle.wait()
