"""Lines in and out of /v1/predict: in order, errors in their place, few at once."""

import asyncio
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidRequest
from service.lines import BYTES_IN_FLIGHT, IN_FLIGHT, answer_lines
from service.parse import read_lines
from service.settings import Settings
from tests.service.conftest import TEXTS, same
from tests.service.test_envelope import fail

LINES = "application/x-ndjson"


def stream(client, lines: list[bytes], **headers: str):
    return client.post("/v1/predict", b"\n".join(lines), **{"content-type": LINES} | headers)


def answers(response) -> list[Any]:
    assert response.status_code == 200
    assert response.headers["content-type"] == LINES
    assert response.text.endswith("\n")
    return [json.loads(line) for line in response.text.splitlines()]


def test_each_line_is_answered_in_its_place_as_if_alone(client) -> None:
    asked: list[dict[str, Any]] = [{"inputs": text} for text in TEXTS] * 20
    asked[3] = {"inputs": TEXTS, "options": {"top_k": 3}, "attention": {"heads": "mean"}}
    asked[5] = {"inputs": "noon", "model": "tagger"}
    given = answers(stream(client, [json.dumps(line).encode() for line in asked]))
    alone = {json.dumps(one): client.ask("/v1/predict", one) for one in asked}
    assert same(given, [alone[json.dumps(one)] for one in asked])


@pytest.mark.parametrize("media", [LINES, "Application/X-NDJSON; charset=utf-8"])
def test_a_line_may_be_an_input_alone(client, media: str) -> None:
    inputs = ["noon", {"words": ["will", "it rain"]}, "will it rain?"]
    lines = [json.dumps(one).encode() for one in inputs]
    lines[2] += b"\r"
    told = answers(stream(client, lines, **{"content-type": media}))
    assert same(told, [client.ask("/v1/predict", {"inputs": one}) for one in inputs])


@pytest.mark.parametrize("body", [b"", b'"noon"', b'"noon"\n'])
def test_the_last_line_needs_no_end(client, body: bytes) -> None:
    response = client.post("/v1/predict", body, **{"content-type": LINES})
    assert response.status_code == 200
    assert len(response.text.splitlines()) == (1 if body else 0)


def test_what_is_wrong_with_a_line_is_told_in_its_place(make_client) -> None:
    client = make_client()
    wrong = [
        (b"", "invalid-json"),
        (b"{", "invalid-json"),
        (b'"a\xff"', "invalid-json"),
        (b"3", "invalid-request"),
        (b'["noon"]', "invalid-request"),
        (b'{"inputs": "noon", "x": 1}', "invalid-request"),
        (b'{"words": ["noon"], "x": 1}', "invalid-request"),
        (b'" "', "invalid-input"),
        (b'{"inputs": "a", "model": "none"}', "unknown-model"),
        (b'{"inputs": "a", "attention": {"layers": [9]}}', "invalid-request"),
        (json.dumps(["a"] * 9).encode(), "invalid-request"),
    ]
    lines = [line for bad, _ in wrong for line in (b'"noon"', bad)]
    told = answers(stream(client, [*lines, b'"noon"']))
    good = client.ask("/v1/predict", {"inputs": "noon"})
    assert same(told[::2], [good] * (len(wrong) + 1))
    for number, ((_, name), problem) in enumerate(zip(wrong, told[1::2], strict=True), 1):
        assert (problem["type"], problem["line"]) == (f"urn:regard:{name}", 2 * number)
    page = client.get("/metrics").text
    assert 'regard_requests_total{route="/v1/predict",status="200"} 2.0' in page
    assert 'regard_problems_total{type="invalid-json"} 3.0' in page


def test_a_lone_surrogate_in_a_line_is_read_as_in_a_request(client) -> None:
    text = rb'"noon\ud83d noon"'
    (told,) = answers(stream(client, [text]))
    assert told == client.post("/v1/predict", b'{"inputs": %b}' % text).json()
    assert "\ufffd" in json.dumps(told, ensure_ascii=False)


def test_a_line_that_is_too_long_ends_the_stream(make_client) -> None:
    client = make_client(max_body_bytes=100)
    told = answers(stream(client, [b'"noon"', b'"%b"' % (b"a" * 97), b'"' * 101, b'"noon"']))
    assert len(told) == 3
    assert told[2]["type"] == "urn:regard:body-too-large"
    assert (told[2]["line"], told[2]["status"]) == (3, 413)


def test_what_is_wrong_with_all_lines_is_the_status(make_client, monkeypatch) -> None:
    client = make_client()
    assert stream(client, [b'"noon"'], **{"content-encoding": "gzip"}).status_code == 415
    monkeypatch.setattr(client.app.state.registry, "tried", None)
    assert stream(client, [b'"noon"']).status_code == 503


def test_a_full_queue_lets_lines_wait(make_client) -> None:
    client = make_client(max_queue_positions=15, max_request_positions=15)
    told = answers(stream(client, [b'"noon noon"'] * 40))
    assert same(told, [client.ask("/v1/predict", {"inputs": "noon noon"})] * 40)


def test_a_deadline_is_that_of_each_line(make_client) -> None:
    client = make_client()
    told = answers(stream(client, [b'"noon"'] * 3, **{"x-request-timeout": "0.000001"}))
    assert [one["type"] for one in told] == ["urn:regard:deadline-exceeded"] * 3
    page = client.get("/metrics").text
    assert 'regard_problems_total{type="deadline-exceeded"} 3.0' in page


def test_a_bug_stays_with_its_line(make_client, monkeypatch, caplog) -> None:
    client = make_client()
    predictor = client.app.state.registry.get("tiny")
    monkeypatch.setattr(predictor, "_results", fail)
    told = answers(stream(client, [b'"noon"', b'{"inputs": "noon", "model": "tagger"}']))
    assert told[0]["type"] == "urn:regard:internal-error"
    assert told[0]["line"] == 1
    assert "results" in told[1]
    (record,) = [record for record in caplog.records if record.name == "regard"]
    assert record.exc_info is not None


def lines_of(pieces: list[bytes]) -> list[bytes]:
    """What `read_lines` makes of a body that comes in pieces."""
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.request"})

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def read() -> list[bytes]:
        exchange = SimpleNamespace(
            headers={}, settings=Settings(), draining=asyncio.Event(), receive=receive
        )
        return [line async for line in read_lines(exchange)]

    return asyncio.run(read())


@given(st.lists(st.binary() | st.just(b"\n") | st.just(b"a\nb\n")))
def test_lines_are_the_same_however_they_come(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    assert b"\n".join(lines_of(pieces)) == whole.removesuffix(b"\n")
    assert len(lines_of(pieces)) == whole.count(b"\n") + (
        not whole.endswith(b"\n") and whole != b""
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'"a"', IN_FLIGHT),
        (b"a" * 1000, BYTES_IN_FLIGHT // 1000),
        (b"a" * (BYTES_IN_FLIGHT + 1), 1),
        (b'"attention"' + b"a" * 53, BYTES_IN_FLIGHT // 64**2),
        (b'"attention"' + b"a" * 1000, 1),
        (b'{"audio": "fLaC", "attention"', 1),
        (b'{"image": "PNG", "attention"', 1),
        (b'{"image": "PNG"', IN_FLIGHT),
    ],
)
def test_while_nobody_reads_the_answers_few_lines_are_taken(line: bytes, expected: int) -> None:
    taken = []

    async def lines() -> AsyncIterator[bytes]:
        for _ in range(3 * IN_FLIGHT):
            yield line

    async def answer(line: bytes) -> bytes:
        taken.append(line)
        return b"answer"

    async def read() -> None:
        handed = 0
        async for part in answer_lines(lines(), answer, lambda error, number: b""):
            for _ in range(10 * IN_FLIGHT):
                await asyncio.sleep(0)  # whoever could go on does
            assert len(taken) - handed == min(expected, 3 * IN_FLIGHT - handed)
            handed += part.count(b"\n")
        assert handed == 3 * IN_FLIGHT

    asyncio.run(read())


def test_a_slow_line_holds_up_the_answers_and_not_the_work() -> None:
    async def read() -> None:
        slow = asyncio.Event()
        done: list[bytes] = []

        async def lines() -> AsyncIterator[bytes]:
            for number in range(10):
                yield b"%d" % number

        async def answer(line: bytes) -> bytes:
            if line == b"0":
                await slow.wait()
            done.append(line)
            if len(done) == 9:
                slow.set()
            return line

        parts = [part async for part in answer_lines(lines(), answer, lambda error, number: b"")]
        assert b"".join(parts).split() == [b"%d" % number for number in range(10)]
        assert done[-1] == b"0"

    asyncio.run(read())


def test_what_was_taken_is_answered_before_the_lines_failure_is_told() -> None:
    async def read() -> None:
        async def lines() -> AsyncIterator[bytes]:
            yield b"1"
            yield b"2"
            raise InvalidRequest([{"loc": [], "message": "x"}])

        async def answer(line: bytes) -> bytes:
            await asyncio.sleep(0.01)
            return line

        parts = answer_lines(lines(), answer, lambda error, number: b"%d: no" % number)
        assert b"".join([part async for part in parts]) == b"1\n2\n3: no\n"

    asyncio.run(read())
