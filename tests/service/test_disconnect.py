"""Clients that go away, behind the real server: what nobody awaits is not computed."""

import json
import socket
import struct
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.service.process import SERVE, connect, serving

# Says when a batch begins, and runs it when told to; what the start itself runs is no batch.
HELD = f"""
import sys, threading
from service.session import Session
run = Session.run

def held(self, inputs, *others):
    if threading.current_thread().name == "model":
        print("runs", len(inputs["valid"]), flush=True)
        sys.stdin.readline()
    return run(self, inputs, *others)

Session.run = held
{SERVE}
"""


class Held:
    """A server whose model waits for us."""

    def __init__(self, process: subprocess.Popen[str], url: str):
        self.process = process
        self.url = url
        process.stdout.readline()  # the advice

    def begins(self) -> int:
        """Wait for a run; the number of its inputs."""
        word, number = self.process.stdout.readline().split()
        assert word == "runs"
        return int(number)

    def go_on(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def post(self, text: str, *headers: str) -> socket.socket:
        body = json.dumps({"inputs": text, "model": "tiny"}).encode()
        lines = ["POST /v1/predict HTTP/1.1", "host: x", f"content-length: {len(body)}", *headers]
        connection = connect(self.url)
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        return connection

    def metric(self, name: str, **labels: str) -> float:
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=20) as response:
            families = text_string_to_metric_families(response.read().decode())
        samples = [sample for family in families for sample in family.samples]
        return sum(
            s.value for s in samples if s.name == name and labels.items() <= s.labels.items()
        )

    def left(self) -> float:
        return self.metric("regard_problems_total", type="client-left")

    def waiting(self) -> float:
        return self.metric("regard_queue_positions", model="tiny")


def until(true: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def status(connection: socket.socket) -> int:
    with connection, connection.makefile("rb") as answer:
        return int(answer.readline().split()[1])


def reset(connection: socket.socket) -> None:
    """Go away without a farewell (RST)."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@contextmanager
def held(folder: Path) -> Iterator[Held]:
    with serving(folder, HELD, threads="1", precision="fp32") as (process, url):
        yield Held(process, url)
        process.terminate()
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


@pytest.mark.parametrize("leave", [socket.socket.close, reset])
def test_a_client_that_leaves_while_it_waits_is_not_computed(
    tiny: SimpleNamespace, leave: Callable[[socket.socket], None]
) -> None:
    with held(tiny.folder) as server:
        first = server.post("noon")
        assert server.begins() == 1
        leaves = server.post("a table for two")
        until(lambda: server.waiting() == 6)
        stays = server.post("book a table")
        until(lambda: server.waiting() > 6)
        leave(leaves)
        until(lambda: server.left() == 1)  # while the model is still busy with the first
        assert server.metric("regard_batch_inputs_count", model="tiny") == 0
        server.go_on()
        assert status(first) == 200
        assert server.begins() == 1, "the one that stayed"
        server.go_on()
        assert status(stays) == 200
        until(lambda: server.metric("regard_batch_inputs_sum", model="tiny") == 2)
        assert server.waiting() == 0
        assert server.metric("regard_requests_total", status="499") == 1
        assert server.metric("regard_requests_total", status="200", route="/v1/predict") == 2


def test_a_client_that_leaves_while_it_runs_harms_nobody(tiny: SimpleNamespace) -> None:
    with held(tiny.folder) as server:
        first = server.post("noon")
        assert server.begins() == 1
        pair = [server.post("book two"), server.post("book two")]
        until(lambda: server.waiting() == 8)
        server.go_on()
        assert status(first) == 200
        assert server.begins() == 2
        pair[0].close()
        server.go_on()
        assert status(pair[1]) == 200
        until(lambda: server.metric("regard_batch_inputs_sum", model="tiny") == 3)


def test_a_deadline_is_kept_while_the_model_is_busy(tiny: SimpleNamespace) -> None:
    with held(tiny.folder) as server:
        first = server.post("noon")
        assert server.begins() == 1
        assert status(server.post("book two", "x-request-timeout: 0.05")) == 504
        server.go_on()
        assert status(first) == 200
        until(lambda: server.metric("regard_batch_inputs_sum", model="tiny") == 1)
