"""The application."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import metadata
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from service import errors, openapi, problems
from service.caller import Finished
from service.envelope import Envelope, Headers, Refusal
from service.keys import AdminKey, ApiKeys
from service.lifecycle import Lifecycle
from service.logs import log_request
from service.oip.infer import Infer
from service.registry import Registry
from service.routes import health, hf, models, pages, v1, v2
from service.settings import Settings
from service.telemetry import Metrics

INFERENCE_HEADER = "Inference-Header-Content-Length"  # of /v2
DESCRIPTION = "Labels for every word, classes for the whole input, and the attention behind them."


class Service(FastAPI):
    """FastAPI in an envelope, whose OpenAPI document knows what routes of bytes read and write.

    Attributes:
        envelope: around all of it.
        shed: see `Envelope.shed`; None where requests may not be refused before they come in.
    """

    envelope: ASGIApp
    shed: Callable[[str, Headers], Refusal | None] | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        await self.envelope(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """The document; made once."""
        if self.openapi_schema is None:
            self.openapi_schema = openapi.complete(super().openapi())
        return self.openapi_schema


def create_app(settings: Settings, load: bool = True) -> FastAPI:
    """Build the app.

    Args:
        settings: all of them.
        load: load the models, too; else this is left to `Registry.load_all`.

    Raises:
        BundleError: a bundle cannot be used.
        ValueError: the keys cannot be read, or what sends traces is not installed.
    """
    app = Service(
        title="Regard",
        description=DESCRIPTION,
        version=metadata.version("regard"),
        lifespan=_lifespan,
        redirect_slashes=False,
        docs_url=None,  # it would load scripts from elsewhere; `service.routes.pages` does not
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.settings = settings
    app.state.metrics = Metrics()
    app.state.registry = Registry(settings, app.state.metrics)
    app.state.infer = Infer(app.state.registry)
    app.state.lifecycle = Lifecycle()
    app.state.admin_key = AdminKey(settings)
    if load:
        app.state.registry.load_all()
    envelope = app.envelope = Envelope(
        super(Service, app).__call__,
        v1.endpoints(app.state.registry)
        | v2.endpoints(app.state.infer)
        | hf.endpoints(app.state.registry),
        settings,
        app.state.metrics,
        app.state.lifecycle,
        app.state.registry.overload,
        ApiKeys(settings, app.state.admin_key) or None,
        _observers(app, settings),
    )
    app.shed = envelope.shed
    if settings.cors_origins:  # then every answer has headers for the browser
        app.envelope, app.shed = _allow_origins(envelope, settings.cors_origins), None
    app.add_exception_handler(HTTPException, problems.routing_error)
    app.add_exception_handler(errors.ServiceError, problems.failure)
    app.add_exception_handler(Exception, problems.failure)
    app.include_router(v1.router)
    app.include_router(hf.router)
    app.include_router(v2.router)
    app.include_router(models.router)
    app.include_router(health.router)
    app.include_router(pages.router)
    return app


def _observers(app: FastAPI, settings: Settings) -> list[Callable[[Finished], None]]:
    observers: list[Callable[[Finished], None]] = []
    app.state.tracer = None
    if settings.otlp_endpoint:
        try:
            from service.tracing import connect  # noqa: PLC0415  # costs time, and may be missing
        except ImportError as error:
            raise ValueError(f"otlp_endpoint needs the extra otel: {error}") from error
        app.state.tracer = connect(settings.otlp_endpoint)
        observers.append(app.state.tracer.record)
    if settings.log_requests:
        observers.append(log_request)
    return observers


def _allow_origins(app: ASGIApp, origins: str) -> ASGIApp:
    return CORSMiddleware(
        app,
        allow_origins=[origin.strip() for origin in origins.split(",")],
        allow_methods=["GET", "POST"],
        allow_headers=[
            *("Authorization", "Content-Type", "X-Request-Id", "X-Request-Timeout"),
            INFERENCE_HEADER,
        ],
        expose_headers=["X-Request-Id", "Server-Timing", "Retry-After", INFERENCE_HEADER],
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.registry.watch()
    yield
    await app.state.registry.close()
    if app.state.tracer is not None:
        await asyncio.to_thread(app.state.tracer.close)
