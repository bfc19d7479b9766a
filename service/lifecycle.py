"""The end of the process: first not ready any more, then draining."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service import problems
from service.errors import ShuttingDown

ALWAYS_OPEN = ("/health/", "/metrics")


@dataclass
class Lifecycle:
    """How far the end is.

    Attributes:
        leaving: /health/ready says so; all else goes on as ever.
        draining: new requests are refused; those that have begun are answered.
    """

    leaving: bool = False
    draining: bool = False


class RefuseWhenDraining:
    """ASGI middleware: a request that begins while draining gets a problem, and no second chance.

    Its body is read to its end, or the client might not get to see the answer.
    """

    def __init__(self, app: ASGIApp, lifecycle: Lifecycle):
        self._app = app
        self._lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if not self._lifecycle.draining or scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].startswith(ALWAYS_OPEN):
            await self._app(scope, receive, send)
            return
        left = scope["app"].state.settings.max_body_bytes
        while left >= 0 and (message := await receive()).get("more_body"):
            left -= len(message["body"])
        error = ShuttingDown("the service is being stopped")
        response = await problems.service_error(Request(scope), error)
        response.headers["Connection"] = "close"
        await response(scope, receive, send)
