"""A server on one core: its processes, from the start to the end."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from peers.answers import Answer
from peers.environments import install
from peers.setups import Setup

BENCH = Path(__file__).parent.parent
CORE = "0"
START_S, STOP_S = 60, 15  # at most
ONCE = httpx.Limits(max_keepalive_connections=0)  # Triton does not end while one is open
QUIET = {"BENTOML_DO_NOT_TRACK": "True", "RAY_USAGE_STATS_ENABLED": "0"}


class Failed(Exception):
    """A peer does not do what it should; the message says what it did."""


@dataclass
class Server:
    """A running server.

    Attributes:
        setup: what it is asked, and answers.
        process: the first of its processes.
        root: of its URLs.
        client: asks it.
        start_s: seconds from exec to the first answer.
    """

    setup: Setup
    process: subprocess.Popen
    root: str
    client: httpx.Client
    start_s: float = 0.0

    @property
    def url(self) -> str:
        """Of the requests."""
        return f"{self.root}{self.setup.path}"

    def ask(self, text: str, timeout_s: float = 30) -> Answer:
        """Answer one text.

        Raises:
            Failed: the answer is an error, or none that can be read.
        """
        body = self.setup.body(text)
        answer = self.client.post(self.url, json=body, timeout=timeout_s)
        try:
            answer.raise_for_status()
            return self.setup.read(answer.json())
        except (httpx.HTTPStatusError, LookupError, TypeError, ValueError) as error:
            found = f"{answer.status_code}: {last_line(answer.text)}"
            raise Failed(f"{self.setup.about}: answers {found}") from error

    def await_answer(self, log: Path) -> None:
        """Wait for its first answer.

        Raises:
            Failed: it ends before, or takes longer than START_S.
        """
        started = time.monotonic()
        while time.monotonic() < started + START_S and self.process.poll() is None:
            with suppress(httpx.HTTPError, Failed):
                if self.setup.ready:  # else Triton may lose what it is asked, and what follows
                    self.client.get(f"{self.root}{self.setup.ready}").raise_for_status()
                self.ask("hello", timeout_s=1)
                self.start_s = time.monotonic() - started
                return
            time.sleep(0.01)
        said = last_line(log.read_text("utf-8"))
        raise Failed(f"{self.setup.about}: does not start: {said}")

    def processes(self) -> list[int]:
        """Its first, and those that it started, directly or not."""
        children = defaultdict(list)
        for file in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it has ended
                parent = file.read_text("utf-8").rpartition(")")[2].split()[1]
                children[int(parent)].append(int(file.parent.name))
        found = [self.process.pid]
        for pid in found:
            found.extend(children[pid])
        return found

    def describe(self) -> dict[str, float]:
        """How large it is, all its processes together, and how long it took to start.

        rss_mb is resident memory; pss_mb counts a page that n processes share as 1 / n.
        """
        processes = self.processes()
        total = {"rss": 0, "pss": 0}
        for pid in processes:
            rollup = ""
            with suppress(OSError):  # it has ended
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8")
            for line in rollup.splitlines():
                name, _, value = line.lower().partition(":")
                if name in total:
                    total[name] += int(value.split()[0])
        memory = {f"{name}_mb": kilobytes / 1024 for name, kilobytes in total.items()}
        return {"start_s": self.start_s, "processes": len(processes), **memory}

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """None of its processes runs, so that another server can be measured."""
        processes = self.processes()
        send(processes, signal.SIGSTOP)
        try:
            yield
        finally:
            send(processes, signal.SIGCONT)

    def end(self) -> None:
        """Interrupt it; end what does not end by itself."""
        processes = self.processes()
        self.process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_S)
        send(processes, signal.SIGKILL)
        with suppress(ProcessLookupError):  # else those are left whose parent ended too early
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def send(processes: list[int], number: signal.Signals) -> None:
    """Send a signal to those that have not ended."""
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def last_line(text: str) -> str:
    """What a log or an answer says in the end, without the folders of this machine."""
    lines = text.strip().splitlines() or ["nothing is said"]
    return re.sub(r"(?<![\w:/])/(?:[^\s/'\"]+/)+", "", lines[-1])[:300]


@contextmanager
def serving(name: str, setup: Setup, bundle: Path, port: int) -> Iterator[Server]:
    """A server on CORE, in its own environment and a folder of its own.

    Raises:
        Failed: it does not start.
        subprocess.CalledProcessError: it cannot be installed.
    """
    python = install(name, setup.packages) / "bin/python" if setup.packages else sys.executable
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        own = {
            "HOME": folder,
            "PYTHONPATH": f"{BENCH.parent}:{BENCH}",
            "PEER_BUNDLE": str(bundle.resolve()),
            "PEER_PORT": str(port),
        }
        log = Path(folder) / "log"
        with log.open("w") as output, httpx.Client(trust_env=False, limits=ONCE) as client:
            process = subprocess.Popen(
                ["taskset", "-c", CORE, python, "-m", f"peers.{name}_peer"],
                cwd=folder,
                env=os.environ | QUIET | own,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            server = Server(setup, process, f"http://127.0.0.1:{port}", client)
            try:
                server.await_answer(log)
                yield server
            finally:
                server.end()
