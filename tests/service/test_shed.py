"""Where no model has room, requests are refused by their heads, and as any other would be."""

import http.client
import json
from collections.abc import Iterator

import pytest

from service.errors import Overloaded
from tests.service.process import connect, request, serving

FULL = """
from service.batcher import Batcher
from service.errors import Overloaded
from service.server import serve
from service.settings import Settings

Batcher.overload = lambda self, positions: Overloaded("7 positions are waiting", 3)
serve(Settings())
"""
QUESTION = b'{"inputs": "noon"}'
HEAD = b"POST /v1/predict HTTP/1.1\r\nhost: here\r\n"
VARIABLE = {"date", "x-request-id", "server-timing", "connection"}


@pytest.fixture(scope="module")
def full(tiny) -> Iterator[str]:
    """The address of a service that has room for nothing."""
    with serving(tiny.folder, FULL) as (_, url):
        yield url


def ask(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    answer = request("POST", f"{url}/v1/predict", content=QUESTION, headers=headers)
    return answer.status_code, dict(answer.headers), answer.content


def read_answer(stream) -> tuple[int, bytes]:
    status = int(stream.readline().split()[1])
    headers = http.client.parse_headers(stream)
    return status, stream.read(int(headers["content-length"]))


def test_it_says_what_an_endpoint_would_say(full: str) -> None:
    status, headers, body = ask(full)
    # A connection that is to be closed goes the long way.
    other_status, other_headers, other_body = ask(full, connection="close")
    assert (status, body) == (other_status, other_body)
    assert status == 429
    assert json.loads(body)["type"] == "urn:regard:overloaded"
    assert headers["retry-after"] == "3"
    assert headers.keys() == other_headers.keys() - {"connection"}
    assert all(
        headers[name] == value for name, value in other_headers.items() if name not in VARIABLE
    )


@pytest.mark.parametrize("path", ["/v2/models/tiny/infer", "/hf/tiny"])
def test_other_protocols_are_told_in_their_way(full: str, path: str) -> None:
    answer = request("POST", f"{full}{path}", content=b"{}")
    assert (answer.status_code, answer.headers["content-type"]) == (429, "application/json")
    assert answer.json()["error"] == "7 positions are waiting"


def test_a_stream_of_lines_comes_in_and_waits(full: str) -> None:
    headers = {"content-type": "application/x-ndjson", "x-request-timeout": "0.3"}
    answer = request("POST", f"{full}/v1/predict", content=b'"noon"\n', headers=headers)
    assert answer.status_code == 200
    assert answer.json()["type"] == "urn:regard:deadline-exceeded"


def test_a_request_id_is_kept(full: str) -> None:
    assert ask(full, **{"x-request-id": "mine-7"})[1]["x-request-id"] == "mine-7"


@pytest.mark.parametrize(
    "pieces",
    [
        [HEAD + b"content-length: 18\r\n\r\n" + QUESTION],
        [HEAD + b"content-length: 18\r\n\r\n", QUESTION[:5], QUESTION[5:]],
        [HEAD + b"transfer-encoding: chunked\r\n\r\n", b"5\r\n{1234\r\n", b"0\r\n", b"\r\n"],
        [HEAD[:20], HEAD[20:] + b"\r\n"],
    ],
)
def test_the_connection_goes_on_after_the_body(full: str, pieces: list[bytes]) -> None:
    with connect(full) as connection, connection.makefile("rb") as stream:
        for _ in range(3):
            for piece in pieces:
                connection.sendall(piece)
            assert read_answer(stream)[0] == 429
        connection.sendall(b"GET /health/live HTTP/1.1\r\nhost: here\r\n\r\n")
        assert read_answer(stream) == (200, b'{"status":"live"}')


def test_pipelined_requests_are_answered_in_order(full: str) -> None:
    live = b"GET /health/live HTTP/1.1\r\nhost: here\r\n\r\n"
    refused = HEAD + b"content-length: 18\r\n\r\n" + QUESTION
    order = [live, refused, refused, live, refused]
    with connect(full) as connection, connection.makefile("rb") as stream:
        connection.sendall(b"".join(order))
        statuses = [read_answer(stream)[0] for _ in order]
    assert statuses == [200, 429, 429, 200, 429]


def test_they_are_counted(full: str) -> None:
    def count(text: str) -> float:
        lines = request("GET", f"{full}/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(text))

    names = (
        'regard_requests_total{route="/v1/predict",status="429"}',
        'regard_problems_total{type="overloaded"}',
    )
    before = [count(name) for name in names]
    for _ in range(3):
        ask(full)
    assert [count(name) for name in names] == [number + 3 for number in before]


def test_who_has_no_key_is_told_so_all_the_same(tiny) -> None:
    with serving(tiny.folder, FULL, api_keys="me:secret") as (_, url):
        assert ask(url)[0] == 401
        assert ask(url, authorization="Bearer secret")[0] == 429


def test_a_browser_may_read_it(tiny) -> None:
    with serving(tiny.folder, FULL, cors_origins="http://page.test") as (_, url):
        status, headers, _ = ask(url, origin="http://page.test")
        assert status == 429
        assert headers["access-control-allow-origin"] == "http://page.test"


def test_a_model_that_has_room_is_asked(make_client, monkeypatch) -> None:
    full = Overloaded("7 positions are waiting", 3)
    registry = make_client().app.state.registry
    monkeypatch.setattr(registry.predictors["tagger"], "overload", lambda: full)
    assert registry.overload() is None
    monkeypatch.setattr(registry.predictors["tiny"], "overload", lambda: full)
    assert registry.overload() is full
