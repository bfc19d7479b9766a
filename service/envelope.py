"""What every request gets: an id, times, headers, a place in the metrics, and an answer."""

import itertools
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.caller import Caller
from service.errors import ClientLeft, Fault, InvalidRequest
from service.problems import MEDIA_TYPE, write_problem
from service.settings import Settings
from service.telemetry import Metrics

LOG = logging.getLogger("regard")
REQUEST_ID = re.compile(rb"[!-~]{1,128}")  # visible ASCII
NO_SNIFFING = (b"x-content-type-options", b"nosniff")
MAX_TIMEOUT_S = 3600.0

Headers = list[tuple[bytes, bytes]]


class Exchange:
    """One request, as the endpoints of /v1 see it.

    Attributes:
        headers: by lower-case name; of several of one name, the last.
        caller: its deadline, and who waits.
    """

    __slots__ = ("_cycle", "_receive", "caller", "headers", "settings")

    def __init__(self, headers: Mapping[bytes, bytes], receive: Receive, settings: Settings):
        self.headers = headers
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


# Reads a request of its own and gives the JSON of the answer.
Endpoint = Callable[[Exchange], Awaitable[bytes]]


class Envelope:
    """ASGI middleware around everything.

    Args:
        app: answers what `endpoints` do not.
        endpoints: by path, for POST; called directly, past the layers of the web framework, which
            cost as much as all else around the model.
        settings: of the service.
        metrics: told of every request.
    """

    def __init__(
        self, app: ASGIApp, endpoints: Mapping[str, Endpoint], settings: Settings, metrics: Metrics
    ):
        self._app = app
        self._endpoints = endpoints
        self._settings = settings
        self._metrics = metrics
        self._prefix = secrets.token_hex(6).encode()
        self._numbers = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = perf_counter()
        headers = dict(scope["headers"])
        answer = _Answer(send, started_s, self._id(headers))
        endpoint = self._endpoints.get(scope["path"]) if scope["method"] == "POST" else None
        try:
            if endpoint is None:
                await self._app(scope, receive, answer.pass_on)
            else:
                exchange = Exchange(headers, receive, self._settings)
                answer.stages = exchange.caller.stages
                await answer(200, await endpoint(exchange), b"application/json")
        except ClientLeft:
            answer.status = 499
            self._metrics.record_problem("client-left")
        except Exception as error:
            await self._fail(error, answer, scope)
        route = getattr(scope.get("route"), "path", "other") if endpoint is None else scope["path"]
        self._metrics.record_request(
            route, answer.status, perf_counter() - started_s, answer.stages
        )

    async def _fail(self, error: Exception, answer: "_Answer", scope: Scope) -> None:
        status, kind, body, headers = write_problem(error)
        if status == 500:
            LOG.exception("%s failed, request %s", scope["path"], answer.id.decode())
        self._metrics.record_problem(kind)
        if not answer.status:
            await answer(status, body, MEDIA_TYPE.encode(), headers)

    def _id(self, headers: Mapping[bytes, bytes]) -> bytes:
        given = headers.get(b"x-request-id")
        if given and REQUEST_ID.fullmatch(given):
            return given
        return b"%s-%x" % (self._prefix, next(self._numbers))


class _Answer:
    """Sends an answer with the headers that all have."""

    def __init__(self, send: Send, started_s: float, id: bytes):
        self._send = send
        self._started_s = started_s
        self.id = id
        self.stages: dict[str, float] = {}
        self.status = 0

    async def __call__(
        self, status: int, body: bytes, media: bytes, headers: Headers | None = None
    ) -> None:
        """Send all of it."""
        own = [(b"content-type", media), (b"content-length", b"%d" % len(body)), *(headers or ())]
        await self.pass_on({"type": "http.response.start", "status": status, "headers": own})
        await self._send({"type": "http.response.body", "body": body})

    async def pass_on(self, message: Message) -> None:
        """Send a message of an application, its head with our headers."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            total_s = perf_counter() - self._started_s
            stages = [*self.stages.items(), ("total", total_s)]
            timing = ", ".join([f"{name};dur={1000 * seconds:.2f}" for name, seconds in stages])
            message["headers"] = [
                *message["headers"],
                (b"x-request-id", self.id),
                (b"server-timing", timing.encode()),
                NO_SNIFFING,
            ]
        await self._send(message)


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
