"""What every request gets: an id, times, headers, a place in the metrics, and an answer."""

import functools
import itertools
import logging
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from itertools import chain
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.caller import Caller, Finished
from service.errors import ClientLeft, HeadersTooLarge, Overloaded, ServiceError, ShuttingDown
from service.exchange import LINES, Endpoint, Exchange, Reply
from service.keys import ApiKeys
from service.lifecycle import Lifecycle
from service.problems import Failure, write_problem
from service.settings import Settings
from service.telemetry import Metrics

LOG = logging.getLogger("regard")
REQUEST_ID = re.compile(rb"[!-~]{1,128}")  # visible ASCII
NO_SNIFFING = (b"x-content-type-options", b"nosniff")
ALWAYS_OPEN = ("/health/", "/v2/health/", "/metrics")
MAX_HEADERS = 100
MAX_HEADER_BYTES = 32_768

Headers = list[tuple[bytes, bytes]]
Refusal = tuple[int, Headers, bytes]  # status, headers, body
NOWHERE: Mapping[str, str] = {}
NO_STAGES: Mapping[str, float] = {}


class Envelope:
    """ASGI middleware around everything.

    Args:
        app: answers what `endpoints` do not.
        endpoints: by path, for POST, a `{name}` in it standing for any one segment; called
            directly, past the layers of the web framework, which cost as much as all else around
            the model.
        settings: of the service.
        metrics: told of every request.
        lifecycle: says when to refuse.
        overload: what to refuse requests with where no model has room, or None.
        keys: of those who may ask, if not everybody may.
        observers: told of every request when it is over.
    """

    def __init__(
        self,
        app: ASGIApp,
        endpoints: Mapping[str, Endpoint],
        settings: Settings,
        metrics: Metrics,
        lifecycle: Lifecycle,
        overload: Callable[[], Overloaded | None],
        keys: ApiKeys | None,
        observers: Sequence[Callable[[Finished], None]],
    ):
        self._app = app
        self._endpoints = endpoints
        self._templates = {
            re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path)): path
            for path in endpoints
            if "{" in path
        }
        self._settings = settings
        self._metrics = metrics
        self._lifecycle = lifecycle
        self._overload = overload
        self._keys = keys
        self._observers = observers
        self._prefix = secrets.token_hex(6).encode()
        self._numbers = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        started_s = perf_counter()
        headers = dict(scope["headers"])
        answer = _Answer(send, started_s, self._id(headers))
        route, parameters = self._match(path) if method == "POST" else (path, NOWHERE)
        endpoint = self._endpoints.get(route) if method == "POST" else None
        caller: Caller | None = None
        try:
            _check_size(scope["headers"])
            if self._lifecycle.draining.is_set():
                await self._refuse(scope, receive)
            if self._keys is not None:
                self._keys.check(path, headers)
            if endpoint is None:
                await self._app(scope, receive, answer.pass_on)
            else:
                tell = functools.partial(self._tell, path, answer.id)
                exchange = Exchange(
                    headers, parameters, receive, self._settings, self._lifecycle.draining, tell
                )
                caller = exchange.caller
                answer.stages = caller.stages
                await answer(200, await endpoint(exchange))
        except Exception as error:
            await self._fail(error, path, answer)
            error.__traceback__ = None  # its frames hold it in turn, a cycle for the collector
        if endpoint is None:
            route = getattr(scope.get("route"), "path", "other")
        self._finish(Finished(method, route, answer.status, answer.id, headers, started_s, caller))

    def shed(self, path: str, headers: Headers) -> Refusal | None:
        """Refuse a POST by its head alone, if no model has room; None: it may come in.

        Anything more made of requests that are refused would take the time of those that are not.
        """
        route, _ = self._match(path)
        if route not in self._endpoints or self._lifecycle.draining.is_set():
            return None
        started_s = perf_counter()
        error = self._overload()
        if error is None:
            return None
        problem = write_problem(error, path)
        found = dict(headers)
        if found.get(b"content-type", b"").startswith(LINES):  # they wait for room
            return None
        if self._keys is not None:
            try:
                self._keys.check(path, found)
            except ServiceError:
                return None
        self._metrics.record_problem(problem.name)
        id = self._id(found)
        self._finish(Finished("POST", route, problem.status, id, found, started_s, None))
        own = [(b"content-type", problem.media), (b"content-length", b"%d" % len(problem.body))]
        common = _common_headers(id, started_s, {})
        return problem.status, [*own, *problem.headers, *common], problem.body

    def _finish(self, request: Finished) -> None:
        stages = request.caller.stages if request.caller is not None else NO_STAGES
        seconds = perf_counter() - request.started_s
        model = request.caller.model if request.caller is not None else None
        self._metrics.record_request(request.route, request.status, seconds, stages, model)
        for observer in self._observers:
            observer(request)

    def _match(self, path: str) -> tuple[str, Mapping[str, str]]:
        """The key of its endpoint, or what is none, and what stands for the names in that."""
        if path not in self._endpoints:
            for pattern, template in self._templates.items():
                if found := pattern.fullmatch(path):
                    return template, found.groupdict()
        return path, NOWHERE

    async def _fail(self, error: Exception, path: str, answer: "_Answer") -> None:
        if isinstance(error, ClientLeft):
            answer.status = 499
            self._metrics.record_problem("client-left")
            return
        problem = self._tell(path, answer.id, error)
        if not answer.status:
            await answer(problem.status, Reply(problem.body, problem.media, problem.headers))

    def _tell(self, path: str, id: bytes, error: Exception, line: int | None = None) -> Failure:
        """Note what failed; what to say of it."""
        problem = write_problem(error, path, line)
        if problem.status == 500:
            LOG.error("a bug: a request failed", exc_info=error, extra={"request_id": id.decode()})
        self._metrics.record_problem(problem.name)
        return problem

    async def _refuse(self, scope: Scope, receive: Receive) -> None:
        """Read the body to its end first, or the client might not get to see the answer."""
        if scope["path"].startswith(ALWAYS_OPEN):
            return
        left = self._settings.max_body_bytes
        while left >= 0 and (message := await receive()).get("more_body"):
            left -= len(message["body"])
        raise ShuttingDown("the service is being stopped")

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

    async def __call__(self, status: int, reply: Reply) -> None:
        """Send all of it; of parts the head with the first, which may fail."""
        headers = [(b"content-type", reply.media), *reply.headers]
        head: Message = {"type": "http.response.start", "status": status, "headers": headers}
        if isinstance(reply.body, bytes):
            headers.append((b"content-length", b"%d" % len(reply.body)))
            await self.pass_on(head)
            await self._send({"type": "http.response.body", "body": reply.body})
            return
        async with aclosing(reply.body) as parts:
            part = await anext(parts, b"")
            await self.pass_on(head)
            while part:
                await self._send({"type": "http.response.body", "body": part, "more_body": True})
                part = await anext(parts, b"")
        await self._send({"type": "http.response.body", "body": b""})

    async def pass_on(self, message: Message) -> None:
        """Send a message of an application, its head with our headers."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            common = _common_headers(self.id, self._started_s, self.stages)
            message["headers"] = [*message["headers"], *common]
        await self._send(message)


def _common_headers(id: bytes, started_s: float, stages: Mapping[str, float]) -> Headers:
    times = [*stages.items(), ("total", perf_counter() - started_s)]
    timing = ", ".join([f"{name};dur={1000 * seconds:.2f}" for name, seconds in times])
    return [(b"x-request-id", id), (b"server-timing", timing.encode()), NO_SNIFFING]


def _check_size(headers: Headers) -> None:
    """Raises HeadersTooLarge; while they come, `service.protocol` looks after them."""
    if len(headers) > MAX_HEADERS:
        raise HeadersTooLarge(f"{len(headers)} headers; at most {MAX_HEADERS} are allowed")
    size = sum(map(len, chain.from_iterable(headers)))
    if size > MAX_HEADER_BYTES:
        raise HeadersTooLarge(f"{size} bytes of headers; at most {MAX_HEADER_BYTES} are allowed")
