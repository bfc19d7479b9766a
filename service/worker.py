"""One process that serves: the app behind uvicorn, how it starts and how it ends."""

import asyncio
import ctypes
import gc
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from types import FrameType

import uvicorn
from fastapi import FastAPI

from service.lifecycle import Lifecycle
from service.listener import refuse_new
from service.protocol import Protocol
from service.registry import Registry
from service.settings import Settings

logger = logging.getLogger(__name__)

TICK_S = 0.05
COLLECT_EVERY = 1_000_000  # new objects; answers are many small ones, and none of them a cycle
ACCEPT_S = 0.1  # for handshakes under way when the port is closed
LINGER_S = 1.0  # for connections without a request to send one, and be told to go


class Server(uvicorn.Server):
    """Opens the port, loads the models, says that it is ready; at the end it refuses and drains.

    Args:
        app: made by `create_app`; its models may be loaded or not.
        settings: as given to it.
        withheld: see `Registry.load_all`.
        on_ready: called with the models' names once they are loaded.

    Attributes:
        registry: of the app.
        failure: why the models could not be loaded, if they could not.
    """

    def __init__(
        self,
        app: FastAPI,
        settings: Settings,
        withheld: Collection[str],
        on_ready: Callable[[list[str]], None],
    ):
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http=Protocol,
            ssl_certfile=settings.ssl_certfile,
            ssl_keyfile=settings.ssl_keyfile,
            access_log=False,
            server_header=False,
            log_config=None,  # `service.logs` is asked before
            log_level="warning",
            proxy_headers=False,
            timeout_graceful_shutdown=settings.drain_s,
        )
        super().__init__(config)
        self._settings = settings
        self.registry: Registry = app.state.registry
        self._lifecycle: Lifecycle = app.state.lifecycle
        self._withheld = withheld
        self._on_ready = on_ready
        self._loading: asyncio.Task[None] | None = None
        self.failure: Exception | None = None

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn. SIGTERM and SIGINT end this in peace."""
        # uvicorn raises the signals it caught again when it is done.
        signal.signal(signal.SIGTERM, lambda *_: None if self.started else sys.exit(0))
        with suppress(KeyboardInterrupt):
            super().run(sockets)
        if self.failure is not None:
            raise self.failure

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        self._loading = asyncio.create_task(self._load())

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See uvicorn: called at the signal, wherever the program is."""
        self._lifecycle.leaving = True
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        if self.failure is None:
            logger.info("leaving: /health/ready says so")
            await self._wait(self._settings.shutdown_delay_s, lambda: self.force_exit)
        self._lifecycle.draining.set()
        logger.info("draining: new requests are refused")
        for listener in sockets or []:
            refuse_new(listener)
        await asyncio.sleep(ACCEPT_S)
        for server in self.servers:
            server.close()
        await self._wait(LINGER_S, lambda: not self.server_state.connections)
        await super().shutdown(sockets)

    async def _load(self) -> None:
        try:
            if self.registry.tried is None:
                await asyncio.to_thread(self.registry.load_all, self._withheld)
        except Exception as error:
            self.failure, self.should_exit = error, True
            return
        gc.freeze()  # what is loaded stays, and what loading took goes back
        if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
            trim(0)
        gc.set_threshold(COLLECT_EVERY)
        if not self.should_exit:
            self._on_ready(list(self.registry.predictors))

    async def _wait(self, seconds: float, done: Callable[[], bool]) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not done():
            await asyncio.sleep(TICK_S)
