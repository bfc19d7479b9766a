"""A request as an endpoint sees it, and its reply."""

from asyncio import Event
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import NamedTuple

from starlette.types import Message, Receive

from service.caller import Caller
from service.errors import Fault, InvalidRequest
from service.problems import Failure
from service.settings import Settings

MAX_TIMEOUT_S = 3600.0
LINES = b"application/x-ndjson"


class Exchange:
    """One request, as an endpoint sees it.

    Attributes:
        headers: by lower-case name; of several of one name, the last.
        parameters: what stands in the path for each `{name}` of the endpoint's template.
        settings: of the service.
        draining: set once the service is being stopped: what goes on for long ends then.
        tell: notes an error, of the line of that number if of one; gives what to answer.
        caller: its deadline, and who waits.
    """

    __slots__ = (
        *("_has_left", "_receive", "_timeout_s"),
        *("caller", "draining", "headers", "parameters", "settings", "tell"),
    )

    def __init__(
        self,
        headers: Mapping[bytes, bytes],
        parameters: Mapping[str, str],
        receive: Receive,
        settings: Settings,
        draining: Event,
        tell: Callable[[Exception, int | None], Failure],
    ):
        self.headers = headers
        self.parameters = parameters
        self.settings = settings
        self.draining = draining
        self.tell = tell
        self._receive = receive
        self._has_left = partial(_has_left, getattr(receive, "__self__", None))
        self._timeout_s = _timeout(headers.get(b"x-request-timeout"), settings.timeout_s)
        self.caller = self.call()

    def call(self) -> Caller:
        """Of something that is asked now."""
        return Caller(perf_counter() + self._timeout_s, self._has_left)

    async def receive(self) -> Message:
        """See ASGI."""
        return await self._receive()


class Reply(NamedTuple):
    """What is answered with status 200.

    body: all of it, or its parts as they come; a failure after the first of them breaks the
        connection off.
    media: its type.
    headers: more of them.
    """

    body: bytes | AsyncGenerator[bytes | memoryview, None]
    media: bytes = b"application/json"
    headers: Sequence[tuple[bytes, bytes]] = ()


# Reads a request of its own.
Endpoint = Callable[[Exchange], Awaitable[Reply]]


def _has_left(cycle: object) -> bool:
    """Ask the object whose method uvicorn's `receive` is; to await that would cost a task."""
    return getattr(cycle, "disconnected", False)


def _timeout(given: bytes | None, default: float) -> float:
    """Seconds, from X-Request-Timeout."""
    if given is None:
        return default
    try:
        timeout_s = float(given)
    except ValueError:
        timeout_s = 0.0
    if 0 < timeout_s <= MAX_TIMEOUT_S:
        return timeout_s
    message = f"{given[:20].decode('latin-1')!r} is no number of seconds up to {MAX_TIMEOUT_S:g}"
    fault: Fault = {"loc": ["X-Request-Timeout"], "message": message}
    raise InvalidRequest([fault])
