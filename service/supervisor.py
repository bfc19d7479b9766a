"""Several workers behind one port: started, kept alive, told of each other's changes, ended."""

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from tempfile import TemporaryDirectory
from types import FrameType

from prometheus_client.multiprocess import mark_process_dead

from export.bundle import BundleError
from service.app import create_app
from service.errors import ServiceError
from service.logs import configure
from service.registry import Registry
from service.settings import Settings
from service.worker import Server

logger = logging.getLogger(__name__)

SPAWN = get_context("spawn")  # never a fork of what has threads
RESTART_S = 1.0  # before another try, where a worker did not even become ready
KILL_S = 10.0  # after a worker should have drained

Message = tuple[str, str | list[str]]


@dataclass(eq=False)
class _Worker:
    """A process, and the pipe on which it says "ready", "failed", "load" and "unload"."""

    process: SpawnProcess
    pipe: Connection
    ready: bool = False


class Supervisor:
    """Keeps the workers running.

    A worker that dies is replaced. What an administrator has one of them load or unload, the others
    are told to do as well, and those that start later know of it.

    Args:
        settings: of all workers.
        listener: the port, which they share.
        on_ready: called with the models' names when all workers are ready for the first time.
    """

    def __init__(
        self, settings: Settings, listener: socket.socket, on_ready: Callable[[list[str]], None]
    ):
        self._settings = settings
        self._listener = listener
        self._on_ready = on_ready
        self._workers: list[_Worker] = []
        self._withheld: set[str] = set()
        self._started = False
        self._failure: str | None = None
        self._end_s: float | None = None  # when those that still run are killed; None: not stopping

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            RuntimeError: a worker could not start.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        with TemporaryDirectory(prefix="regard-") as metrics:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics
            # Else the first worker to wake takes all connections that come in a burst (libuv).
            os.environ["UV_TCP_SINGLE_ACCEPT"] = "1"
            for _ in range(self._settings.workers):
                self._start()
            while self._workers:
                self._step()
        if self._failure is not None:
            raise RuntimeError(self._failure)

    def _step(self) -> None:
        workers = list(self._workers)
        watched: list[Connection | int] = [
            *(worker.pipe for worker in workers),
            *(w.process.sentinel for w in workers),
        ]
        connection.wait(watched, None if self._end_s is None else self._left_s())
        for worker in workers:
            with suppress(EOFError, OSError):
                while worker.pipe.poll():
                    self._read(worker, worker.pipe.recv())
            if not worker.process.is_alive():
                self._bury(worker)
            elif self._end_s is not None and not self._left_s():
                worker.process.kill()

    def _left_s(self) -> float:
        assert self._end_s is not None
        return max(0.0, self._end_s - time.monotonic())

    def _read(self, worker: _Worker, message: Message) -> None:
        action, value = message
        if action == "failed":
            self._fail(str(value))
        elif action == "ready":
            worker.ready = True
            if not self._started and all(one.ready for one in self._workers):
                self._started = True
                self._on_ready(list(value))
        else:
            change = self._withheld.add if action == "unload" else self._withheld.discard
            change(str(value))
            for other in self._workers:
                if other is not worker:
                    with suppress(OSError):
                        other.pipe.send(message)

    def _bury(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.pipe.close()
        mark_process_dead(worker.process.pid, os.environ["PROMETHEUS_MULTIPROC_DIR"])  # type: ignore[no-untyped-call]
        if self._end_s is not None:
            return
        told = f"worker {worker.process.pid} ended with exit code {worker.process.exitcode}"
        if not self._started:
            self._fail(told)
            return
        logger.warning("%s; another one is started", told)
        if not worker.ready:
            time.sleep(RESTART_S)
        if self._end_s is None:
            self._start()

    def _fail(self, reason: str) -> None:
        """Before all have started, give up; later the others go on."""
        if self._started:
            logger.warning("a worker could not start: %s", reason)
        elif self._end_s is None:
            self._failure = reason
            self._stop()

    def _start(self) -> None:
        ours, theirs = SPAWN.Pipe()
        withheld = frozenset(self._withheld)
        arguments = (self._settings, self._listener, theirs, withheld, self._started)
        process = SPAWN.Process(target=work, args=arguments, daemon=True)
        # What the terminal sends to all goes to this process alone, from the worker's first moment.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        process.start()
        signal.signal(signal.SIGINT, before)
        theirs.close()
        self._workers.append(_Worker(process, ours))
        if self._end_s is not None:
            process.terminate()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._end_s is None:
            self._stop()

    def _stop(self) -> None:
        drain_s = self._settings.shutdown_delay_s + self._settings.drain_s
        self._end_s = time.monotonic() + drain_s + KILL_S
        self._listener.close()  # else it would be open until the last worker has ended
        for worker in self._workers:
            worker.process.terminate()


def work(
    settings: Settings,
    listener: socket.socket,
    pipe: Connection,
    withheld: Collection[str],
    late: bool,
) -> None:
    """Be a worker; called in a process of its own. One that comes late loads before it listens."""
    os.setpgrp()
    configure(settings)
    try:
        app = create_app(settings, load=False)
        registry: Registry = app.state.registry
        registry.tell = lambda action, name: pipe.send((action, name))
        if late:
            registry.load_all(withheld)
        server = Server(app, settings, withheld, lambda names: _begin(pipe, names, server))
        server.run([listener])
    except Exception as error:
        pipe.send(("failed", str(error)))
        sys.exit(1)


def _begin(pipe: Connection, names: list[str], server: Server) -> None:
    """Say that this worker is ready; from now on do as the others did."""
    loop = asyncio.get_running_loop()
    changes: set[asyncio.Task[None]] = set()

    def read() -> None:
        try:
            action, name = pipe.recv()
        except (EOFError, OSError):  # nobody is there to keep this process in order
            loop.remove_reader(pipe.fileno())
            server.handle_exit(signal.SIGTERM, None)
            return
        change = loop.create_task(_change(server.registry, action, name))
        changes.add(change)
        change.add_done_callback(changes.discard)

    pipe.send(("ready", names))
    loop.add_reader(pipe.fileno(), read)


async def _change(registry: Registry, action: str, name: str) -> None:
    with suppress(BundleError, ServiceError):  # it was logged, or is so already
        if action == "load":
            await registry.load(name)
        else:
            registry.withheld.add(name)
            await registry.unload(name)
