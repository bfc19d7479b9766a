"""Lines over a real connection: both ways at once, held back both ways, left, and at the end."""

import json
import signal
import socket
import threading
import time
from contextlib import suppress
from types import SimpleNamespace

import pytest

from service.lines import IN_FLIGHT
from service.listener import KEEPALIVE_S, listen
from tests.service.conftest import same
from tests.service.process import PATIENCE_S, request, serving
from tests.service.stream import Stream, shrink
from tests.service.test_disconnect import Held, held, status, until

LONG = "weather in paris on monday at noon " * 5


def answered(server: Held) -> float:
    """How many inputs were computed."""
    return server.metric("regard_batch_inputs_sum", model="tiny")


def still(server: Held) -> float:
    """The same, once no more are."""
    seen = [-1.0, answered(server)]
    while seen[-1] != seen[-2]:
        time.sleep(0.5)
        seen.append(answered(server))
    return seen[-1]


def test_answers_come_while_lines_are_still_to_come(tiny: SimpleNamespace) -> None:
    with serving(tiny.folder, default_model="tiny") as (_, url):
        stream = Stream(url)
        for text in ("noon", "book a table", "noon"):
            stream.send(text)
            told = stream.read()
            assert "".join(w["text"] for w in told["results"][0]["labels"]["slots"]) == (
                text.replace(" ", "")
            )
        assert b"transfer-encoding: chunked" in stream.head
        assert b"server-timing: total;dur=" in stream.head
        stream.send({"inputs": "noon", "x": 1})
        assert stream.read()["line"] == 4
        stream.end()
        assert stream.rest() == []
        stream.connection.sendall(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        assert stream.connection.recv(12) == b"HTTP/1.1 200", "the connection goes on"
        stream.close()


def test_a_client_that_stops_reading_stops_the_work_until_it_reads_again(
    tiny: SimpleNamespace,
) -> None:
    with serving(tiny.folder, default_model="tiny") as (process, url):
        server, stream = Held(process, url), Stream(url)
        shrink(stream.connection)
        texts = [f"{LONG} {number}" for number in range(20_000)]
        sent = 0

        def send() -> None:
            nonlocal sent
            with suppress(OSError):  # when it is closed
                for number in range(0, len(texts), 10):
                    stream.send(*texts[number : number + 10])
                    sent = number + 10

        sender = threading.Thread(target=send)
        sender.start()
        done = still(server)
        assert 0 < done < len(texts) - IN_FLIGHT
        assert sent < len(texts), "it was held back, too"
        assert server.waiting() == 0
        assert request("POST", f"{url}/v1/predict", json={"inputs": "noon"}).status_code == 200
        for text in texts[: int(done) + 500]:
            (result,) = stream.read()["results"]
            assert result["labels"]["slots"][-1]["text"] == text.split()[-1]
        assert answered(server) > done + 400
        stream.close()
        sender.join(PATIENCE_S)
        until(lambda: server.left() == 1)


@pytest.mark.parametrize("leave", [Stream.close, Stream.reset])
def test_a_client_that_vanishes_frees_what_it_had(tiny: SimpleNamespace, leave) -> None:
    with held(tiny.folder) as server:
        stream = Stream(server.url)
        stream.send(*({"inputs": "noon", "model": "tiny"} for _ in range(1000)))
        begun = server.begins()
        until(lambda: server.waiting() == 3 * (IN_FLIGHT - begun))
        leave(stream)
        until(lambda: server.waiting() == 0)  # while the model is busy
        server.go_on()
        until(lambda: server.left() == 1)
        after = server.post("book")
        assert server.begins() == 1, "nothing of what was left"
        server.go_on()
        assert status(after) == 200
        until(lambda: answered(server) == begun + 1)


def test_a_client_that_vanishes_without_a_word_is_asked_whether_it_is_there() -> None:
    """One whose machine lost its power sends nothing, not even that it goes."""
    with (
        listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == KEEPALIVE_S


def test_at_the_end_what_was_taken_is_answered_and_the_rest_is_told(tiny: SimpleNamespace) -> None:
    with serving(tiny.folder, default_model="tiny") as (process, url):
        noon = request("POST", f"{url}/v1/predict", json={"inputs": "noon"}).json()
        stream, ended = Stream(url), threading.Event()

        def send() -> None:
            while not ended.is_set():
                stream.send(*["noon"] * 50)
            stream.end()

        sender = threading.Thread(target=send)
        sender.start()
        told = [stream.read() for _ in range(300)]
        process.send_signal(signal.SIGTERM)
        while "line" not in told[-1]:
            told.append(stream.read())
        ended.set()
        assert stream.rest() == []
        sender.join(PATIENCE_S)
        assert same(told[:-1], [noon] * (len(told) - 1))
        assert told[-1]["type"] == "urn:regard:shutting-down"
        assert told[-1]["line"] == len(told), "the first that was not answered"
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr.read() == ""
        stream.close()


def test_an_idle_stream_ends_at_once_at_the_end(tiny: SimpleNamespace) -> None:
    with serving(tiny.folder, default_model="tiny") as (process, url):
        stream = Stream(url)
        stream.send("noon")
        assert "results" in stream.read()
        process.send_signal(signal.SIGTERM)
        assert stream.read()["type"] == "urn:regard:shutting-down"
        assert stream.rest() == []
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr.read() == ""
        stream.close()


def test_a_stream_lets_others_through(tiny: SimpleNamespace) -> None:
    """Few of its lines wait at any time, so nobody is refused, nor waits for long."""
    with serving(tiny.folder, default_model="tiny", max_queue_positions="8192") as (_, url):
        stream = Stream(url)
        body = (json.dumps("noon " * 30) + "\n").encode() * 5000

        def send() -> None:
            with suppress(OSError):
                stream.connection.sendall(b"%x\r\n%b\r\n" % (len(body), body))

        sender = threading.Thread(target=send)
        sender.start()
        for _ in range(20):
            assert request("POST", f"{url}/v1/predict", json={"inputs": "noon"}).status_code == 200
            assert "results" in stream.read()
        stream.close()
        sender.join(PATIENCE_S)
