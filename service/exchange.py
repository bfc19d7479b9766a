"""A request as an endpoint sees it, and its reply."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from time import perf_counter
from typing import NamedTuple

from starlette.types import Message, Receive

from service.caller import Caller
from service.errors import Fault, InvalidRequest
from service.settings import Settings

MAX_TIMEOUT_S = 3600.0


class Exchange:
    """One request, as an endpoint sees it.

    Attributes:
        headers: by lower-case name; of several of one name, the last.
        parameters: what stands in the path for each `{name}` of the endpoint's template.
        settings: of the service.
        caller: its deadline, and who waits.
    """

    __slots__ = ("_cycle", "_receive", "caller", "headers", "parameters", "settings")

    def __init__(
        self,
        headers: Mapping[bytes, bytes],
        parameters: Mapping[str, str],
        receive: Receive,
        settings: Settings,
    ):
        self.headers = headers
        self.parameters = parameters
        self.settings = settings
        self._receive = receive
        self._cycle = getattr(receive, "__self__", None)
        timeout_s = _timeout(headers.get(b"x-request-timeout"), settings.timeout_s)
        self.caller = Caller(perf_counter() + timeout_s, self._left)

    async def receive(self) -> Message:
        """See ASGI."""
        return await self._receive()

    def _left(self) -> bool:
        """Ask the object whose method uvicorn's `receive` is; to await that would cost a task."""
        return getattr(self._cycle, "disconnected", False)


class Reply(NamedTuple):
    """What is answered with status 200.

    body: all of it, or its parts as they come; a failure among these breaks the connection off.
    media: its type.
    headers: more of them.
    """

    body: bytes | AsyncIterator[bytes | memoryview]
    media: bytes = b"application/json"
    headers: Sequence[tuple[bytes, bytes]] = ()


# Reads a request of its own.
Endpoint = Callable[[Exchange], Awaitable[Reply]]


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
