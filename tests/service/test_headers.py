"""A request's head has a size, too."""

import json
from contextlib import suppress
from types import SimpleNamespace

import pytest

from service.envelope import MAX_HEADER_BYTES, MAX_HEADERS
from service.protocol import MAX_HEAD_BYTES
from tests.service.process import connect, post, serving

ASK = {"inputs": "noon"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({f"x-{number}": "1" for number in range(MAX_HEADERS - 20)}, 200),
        ({f"x-{number}": "1" for number in range(MAX_HEADERS)}, 431),
        ({"x-long": "1" * (MAX_HEADER_BYTES - 1000)}, 200),
        ({"x-long": "1" * MAX_HEADER_BYTES}, 431),
    ],
)
def test_headers_are_few_and_short(client, headers: dict[str, str], status: int) -> None:
    response = client.post("/v1/predict", ASK, **headers)
    assert response.status_code == status
    if status == 431:
        assert response.json()["type"] == "urn:regard:headers-too-large"
        assert "are allowed" in response.json()["detail"]


HEAD = b"POST /v1/predict HTTP/1.1\r\nhost: x\r\n"


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (HEAD + b"x-long: ", b"1"),
        (HEAD, b"x-short: 1\r\n"),
        (b"GET /", b"1"),
        (b"", b"\r\n"),
    ],
)
def test_a_head_that_does_not_end_is_refused(
    tiny: SimpleNamespace, start: bytes, more: bytes
) -> None:
    head = (start + more * MAX_HEAD_BYTES)[: MAX_HEAD_BYTES + 1]
    with serving(tiny.folder) as (process, url):
        with connect(url) as connection, connection.makefile("rb") as answer:
            connection.sendall(head[:-1])
            assert post(f"{url}/v1/predict", b'{"inputs": "noon"}')["results"]
            connection.sendall(head[-1:])  # no more than is read, or closing would reset
            told, _, body = answer.read().partition(b"\r\n\r\n")
            assert told.split()[1] == b"431"
            assert json.loads(body)["type"] == "urn:regard:headers-too-large"
        process.terminate()
        assert process.wait(20) == 0


def test_many_requests_on_one_connection_are_not_counted_together(tiny: SimpleNamespace) -> None:
    body = b'{"inputs": "noon"%s}' % (b" " * 50_000)
    with serving(tiny.folder) as (process, url):
        with connect(url) as connection, connection.makefile("rb") as answer:
            for _ in range(5):
                head = HEAD + b"x-long: %s\r\n" % (b"1" * 30_000)
                connection.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)
                assert answer.readline().split()[1] == b"200"
                size = 0
                while (line := answer.readline()) != b"\r\n":
                    if line.startswith(b"content-length"):
                        size = int(line.split()[1])
                assert json.loads(answer.read(size))["results"]
        process.terminate()
        assert process.wait(20) == 0
        assert process.stderr.read() == ""


CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


def test_what_comes_after_a_body_is_bounded_too(tiny: SimpleNamespace) -> None:
    with serving(tiny.folder) as (process, url):
        for trailers in (b"x-short: 1\r\n" * 6_000, b"x-long: " + b"1" * 66_000):
            for body in (b"9\r\nxxxxxxxxx\r\n", b"fff\r\n%s\r\n" % (b" " * 4095) * 20):
                with connect(url) as connection, connection.makefile("rb") as answer:
                    sending = CHUNKED + body + b"0\r\n"
                    with suppress(OSError):  # it may be over before all is sent
                        connection.sendall(sending)
                        for _ in range(100):
                            connection.sendall(trailers)
                        pytest.fail("megabytes of trailers were taken")
                    with suppress(OSError):
                        # trailers that came with the head have been counted as headers
                        assert answer.readline().split()[1:2] in ([], [b"431"])
        assert post(f"{url}/v1/predict", b'{"inputs": "noon"}')["results"]
        process.terminate()
        assert process.wait(20) == 0


def test_a_body_in_chunks_of_one_byte_is_a_body(tiny: SimpleNamespace) -> None:
    body = b'{"inputs": "noon"%s}' % (b" " * 30_000)
    with serving(tiny.folder) as (process, url):
        with connect(url) as connection, connection.makefile("rb") as answer:
            chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
            connection.sendall(CHUNKED + chunks + b"0\r\nx-trailer: 1\r\n\r\n")
            assert answer.readline().split()[1] == b"200"
        process.terminate()
        assert process.wait(20) == 0
