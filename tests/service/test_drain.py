"""The end, under load: nothing that was taken is lost."""

import json
import signal
import time
from types import SimpleNamespace

import httpx
import pytest

from tests.service.conftest import same
from tests.service.load import QUESTIONS, Load, Told
from tests.service.process import PATIENCE_S, SERVE, connect, request, serving

PATIENT = "import service.worker; service.worker.LINGER_S = 60; " + SERVE
SHUTTING_DOWN = "urn:regard:shutting-down"


def ask(url: str) -> list[object]:
    """The answer to each question."""
    return [request("POST", f"{url}/v1/predict", json=question).json() for question in QUESTIONS]


def check_told(told: list[Told], answers: list[object]) -> None:
    """Each is right, or a proper refusal, or found the port closed."""
    for one in told:
        if one.status == 200:
            assert same(one.body, answers[one.question])
        elif one.status == 503:
            assert one.body["type"] == SHUTTING_DOWN
        else:
            assert isinstance(one.error, httpx.ConnectError), repr(one.error)


def test_under_load_every_request_is_answered_refused_or_finds_the_port_closed(
    tiny: SimpleNamespace,
) -> None:
    with serving(tiny.folder, PATIENT, precision="fp32", default_model="tiny") as (process, url):
        answers = ask(url)
        with Load(url, keep=4, fresh=3) as load:
            load.wait(100)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
            load.wait(0)
        assert process.stderr.read() == ""
    check_told(load.told, answers)
    counts = load.counts()
    assert counts[200] >= 100
    assert sum(counts.values()) - counts[200] - counts[503] == 7, "each found it closed, once"


def test_ready_says_at_once_what_is_served_on_for_the_delay(tiny: SimpleNamespace) -> None:
    with (
        serving(tiny.folder, shutdown_delay_s="2", default_model="tiny") as (process, url),
        httpx.Client(base_url=url, timeout=PATIENCE_S) as http,
    ):
        assert http.get("/health/ready").status_code == 200
        process.send_signal(signal.SIGTERM)
        sent_s = time.monotonic()
        while (ready := request("GET", f"{url}/health/ready")).status_code == 200:
            assert time.monotonic() - sent_s < 1, "long before the delay is over"
        assert ready.json()["type"] == SHUTTING_DOWN
        assert request("POST", f"{url}/v1/predict", json=QUESTIONS[0]).status_code == 200
        assert http.get("/health/live").status_code == 200
        assert process.wait(PATIENCE_S) == 0
        assert time.monotonic() - sent_s >= 2
        assert process.stderr.read() == ""


def test_who_is_too_slow_is_broken_off_in_time(tiny: SimpleNamespace) -> None:
    with serving(tiny.folder, drain_s="1", default_model="tiny") as (process, url):
        with connect(url) as half:
            half.sendall(b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
            assert request("GET", f"{url}/health/ready").status_code == 200  # it has been read
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        assert "graceful shutdown exceeded" in process.stderr.read()


@pytest.mark.parametrize("size", [2, 900_000])
def test_a_refused_request_gets_to_see_why(tiny: SimpleNamespace, size: int) -> None:
    """Also where its body comes later than the refusal could be sent, and is long."""
    with serving(tiny.folder, PATIENT, default_model="tiny") as (process, url):
        with (
            connect(url) as slow,
            connect(url) as late,
            late.makefile("rb") as answer,
            httpx.Client(base_url=url, timeout=PATIENCE_S) as http,
        ):
            slow.sendall(b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 18\r\n\r\n")
            assert http.get("/health/ready").status_code == 200  # the others are accepted, too
            process.send_signal(signal.SIGTERM)
            while http.post("/v1/predict", json=QUESTIONS[0]).status_code == 200:
                pass
            late.sendall(
                b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size
            )
            late.sendall(b" " * size)
            assert answer.readline().split()[1] == b"503"
            head, _, body = answer.read().partition(b"\r\n\r\n")
            assert b"connection: close" in head.lower()
            assert json.loads(body)["type"] == SHUTTING_DOWN
            slow.sendall(b'{"inputs": "noon"}')
            with slow.makefile("rb") as begun:
                assert begun.readline().split()[1] == b"200"
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr.read() == ""
