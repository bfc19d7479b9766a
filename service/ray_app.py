"""The app on Ray Serve: replicas on the machines of a cluster, behind Ray's HTTP proxies.

    serve run deploy/ray/serve.yaml

A replica is the whole app, set by REGARD_* in its environment; docs/scale.md says which of them
have another meaning here.
"""

import asyncio
import os

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray import serve
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.app import create_app
from service.logs import configure
from service.settings import Settings

REQUEST_ID = b"x-request-id"  # the proxy gives it back too


class BehindProxy:
    """ASGI middleware: makes of Ray's proxy the server that the app expects.

    A client that hangs up is seen in `receive`, as uvicorn shows it, where Ray only cancels.

    Args:
        app: what `create_app` made.
    """

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = _Client(receive, send)
        answering = asyncio.ensure_future(self._app(scope, client.receive, client.send))
        try:
            await asyncio.shield(answering)
        except asyncio.CancelledError:
            client.disconnected = True
            await answering
            raise


class _Client:
    """Whoever asks; `service.exchange` looks at `disconnected`."""

    def __init__(self, receive: Receive, send: Send):
        self._receive = receive
        self._send = send
        self.disconnected = False

    async def receive(self) -> Message:
        return {"type": "http.disconnect"} if self.disconnected else await self._receive()

    async def send(self, message: Message) -> None:
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            message["headers"] = [pair for pair in message["headers"] if pair[0] != REQUEST_ID]
        elif isinstance(message["body"], memoryview):  # it will be pickled
            message["body"] = bytes(message["body"])
        await self._send(message)


class Regard:
    """One replica.

    Raises:
        BundleError: a bundle cannot be used.
        ValueError: a setting is not allowed, or has no meaning where there are replicas.
    """

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """See Ray: called once, in the replica."""
        settings = Settings()
        if settings.admin_key or settings.admin_key_file:
            raise ValueError("an admin key has no use here: its calls would reach one replica only")
        if not settings.threads:
            cpus = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
            settings = settings.model_copy(update={"threads": max(1, int(cpus))})
        configure(settings)
        app = create_app(settings)
        self._registry = app.state.registry
        return BehindProxy(app)

    def check_health(self) -> None:
        """See Ray: a replica that raises is replaced.

        Raises:
            NoModel, UnknownModel: who names no model gets no answer.
        """
        self._registry.get(None)


app = serve.deployment(
    max_ongoing_requests=10_000,  # so that the app's own queue says what is too much
    max_surge_percent=25,  # a replica ends only once the one in its place is ready
    graceful_shutdown_wait_loop_s=0.5,
    graceful_shutdown_timeout_s=35,  # REGARD_DRAIN_S, and some
)(serve.ingress()(Regard)).bind()
