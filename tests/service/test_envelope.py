"""What every answer has: an id, its times, headers; and what becomes of bugs."""

import asyncio
import json
import logging
import re

import httpx
import pytest

from service.envelope import REQUEST_ID, Envelope
from service.exchange import Reply
from service.lifecycle import Lifecycle
from service.settings import Settings
from service.telemetry import Metrics

SECRET = "weather at noon"
ALL_ROUTES = (
    ("GET", "/health/live", 200),
    ("GET", "/health/ready", 200),
    ("GET", "/metrics", 200),
    ("GET", "/v1/models", 200),
    ("GET", "/v1/models/huge", 404),
    ("GET", "/openapi.json", 200),
    ("GET", "/nowhere", 404),
    ("GET", "/v1/predict", 405),
    ("POST", "/v1/predict", 400),
    ("POST", "/v1/label", 400),
    ("POST", "/v1/classify", 400),
    ("POST", "/v1/attention", 400),
    ("PUT", "/v1/models", 405),
)


def send(client, method: str, path: str, headers=(), **body: object) -> httpx.Response:
    return client.run(client.http.request(method, path, headers=list(headers), **body))


def predict(client, *headers: tuple[bytes, bytes]) -> httpx.Response:
    return send(client, "POST", "/v1/predict", headers, json={"inputs": SECRET})


def timing(response: httpx.Response) -> dict[str, float]:
    """Milliseconds by the name of the stage; Server-Timing as W3C has it."""
    parts = response.headers["server-timing"].split(", ")
    found = [re.fullmatch(r"([a-z]+);dur=(\d+\.\d\d)", part).groups() for part in parts]
    return {name: float(milliseconds) for name, milliseconds in found}


@pytest.mark.parametrize(("method", "path", "status"), ALL_ROUTES)
def test_every_answer_has_an_id_its_time_and_no_sniffing(
    client, method: str, path: str, status: int
) -> None:
    response = send(client, method, path, [(b"x-request-id", b"mine-7")])
    assert response.status_code == status
    headers = response.headers
    assert headers.get_list("x-request-id") == ["mine-7"]
    assert headers.get_list("x-content-type-options") == ["nosniff"]
    assert len(headers.get_list("server-timing")) == 1
    assert int(headers["content-length"]) == len(response.content)
    assert set(timing(response)) == {"total"}
    generated = send(client, method, path).headers["x-request-id"]
    assert REQUEST_ID.fullmatch(generated.encode())


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/label", "/v1/classify", "/v1/attention"])
def test_an_answer_says_where_its_time_went(client, path: str) -> None:
    response = client.post(path, {"inputs": [SECRET, "noon"]})
    stages = timing(response)
    assert list(stages) == ["preprocess", "queue", "model", "decode", "total"]
    total = stages.pop("total")
    assert 0 < sum(stages.values()) <= total + 0.03, "each is rounded to 0.01"
    assert stages["model"] > 0


def test_the_stages_reached_are_told_of_a_refused_request_too(client) -> None:
    response = predict(client, (b"x-request-timeout", b"0.000001"))
    assert list(timing(response)) == ["preprocess", "total"]


@pytest.mark.parametrize("given", [b"a", b"!", b"~" * 128, b"01J8-z_9:/?=&{}", b"\"'\\"])
def test_a_sane_request_id_is_kept(client, given: bytes) -> None:
    for name in (b"x-request-id", b"X-Request-ID"):
        for path in ("/v1/predict", "/nowhere"):
            response = send(client, "POST", path, [(name, given)], json={"inputs": SECRET})
            assert response.headers["x-request-id"] == given.decode()


@pytest.mark.parametrize(
    "given",
    [b"", b" ", b"a b", b"a" * 129, b"a\tb", b"a\nb", b"a\r\nx-evil: 1", b"\x00", b"\x7f", b"\xe9"],
)
def test_any_other_request_id_is_replaced(client, given: bytes) -> None:
    for path in ("/v1/predict", "/nowhere"):
        response = send(client, "POST", path, [(b"x-request-id", given)], json={"inputs": SECRET})
        (found,) = response.headers.get_list("x-request-id")
        assert found.encode("latin-1") != given
        assert REQUEST_ID.fullmatch(found.encode("latin-1"))
        assert "x-evil" not in response.headers


def test_generated_ids_differ_between_requests_and_between_processes(client, make_client) -> None:
    async def many() -> list[httpx.Response]:
        return await asyncio.gather(*(client.http.get("/health/live") for _ in range(100)))

    ids = [response.headers["x-request-id"] for response in client.run(many())]
    ids += [predict(client).headers["x-request-id"] for _ in range(3)]
    ids.append(predict(make_client()).headers["x-request-id"])
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    "given",
    [b"", b"soon", b"1s", b"0", b"-1", b"-0.0", b"nan", b"inf", b"1e9", b"3600.1", b"\xb2", b"1,2"],
)
def test_an_unreadable_timeout_is_a_problem_that_names_it(client, given: bytes) -> None:
    response = predict(client, (b"x-request-timeout", given))
    problem = response.json()
    assert (response.status_code, problem["type"]) == (422, "urn:regard:invalid-request")
    (fault,) = problem["errors"]
    assert fault["loc"] == ["X-Request-Timeout"]
    assert repr(given.decode("latin-1")) in fault["message"]
    assert "up to 3600" in fault["message"]


def test_a_long_timeout_header_is_not_repeated_at_length(client) -> None:
    response = predict(client, (b"x-request-timeout", b"9" * 4000))
    assert response.status_code == 422
    assert len(response.content) < 500


@pytest.mark.parametrize("given", [b"60", b"3600", b"59.5", b"+6e1"])
def test_time_enough_is_time_enough(client, given: bytes) -> None:
    assert predict(client, (b"X-Request-Timeout", given)).status_code == 200


def test_a_timeout_too_short_is_a_deadline_exceeded(client) -> None:
    response = predict(client, (b"x-request-timeout", b"0.000001"))
    assert response.status_code == 504
    assert response.json()["type"] == "urn:regard:deadline-exceeded"
    assert "retry-after" not in response.headers


def test_without_the_header_the_services_own_timeout_holds(make_client) -> None:
    client = make_client(timeout_s=0.000001)
    assert predict(client).status_code == 504
    assert predict(client, (b"x-request-timeout", b"60")).status_code == 200


def fail(*_: object) -> None:
    raise RuntimeError("a bug")


def check_bug(response: httpx.Response, caplog: pytest.LogCaptureFixture) -> None:
    problem = response.json()
    assert response.status_code == problem["status"] == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["type"] == "urn:regard:internal-error"
    assert "a bug" not in problem["detail"].replace("a bug of the service", "")
    assert set(timing(response)) >= {"total"}
    (record,) = [record for record in caplog.records if record.name == "regard"]
    assert record.levelno == logging.ERROR
    assert response.headers["x-request-id"] == record.request_id
    assert record.exc_info is not None
    assert "RuntimeError: a bug" in caplog.text
    assert SECRET not in caplog.text
    assert SECRET not in response.text


@pytest.mark.parametrize("where", ["_run", "_look", "_results"])
def test_a_bug_is_logged_with_the_requests_id_and_without_its_text(
    make_client, monkeypatch, caplog, where: str
) -> None:
    client = make_client()
    predictor = client.app.state.registry.get("tiny")
    holder = predictor._batcher if where == "_run" else predictor
    with monkeypatch.context() as patch:
        patch.setattr(holder, where, fail)
        check_bug(predict(client, (b"x-request-id", b"mine-7")), caplog)
    assert predict(client).status_code == 200
    page = client.get("/metrics").text
    assert 'regard_problems_total{type="internal-error"} 1.0' in page
    assert 'regard_requests_total{route="/v1/predict",status="500"} 1.0' in page


def test_a_bug_elsewhere_is_answered_and_logged_once_too(make_client, monkeypatch, caplog) -> None:
    client = make_client()
    monkeypatch.setattr(client.app.state.registry, "describe", fail)
    check_bug(client.get("/v1/models"), caplog)
    page = client.get("/metrics").text
    assert 'regard_problems_total{type="internal-error"} 1.0' in page
    assert 'regard_requests_total{route="/v1/models",status="500"} 1.0' in page


def test_what_is_refused_is_not_logged(client, caplog) -> None:
    client.post("/v1/predict", {"inputs": ""})
    client.post("/v1/predict", b"{")
    client.get("/nowhere")
    assert not [record for record in caplog.records if record.name == "regard"]


def test_a_caller_who_left_gets_no_answer_and_is_counted(make_client, monkeypatch) -> None:
    """As the server's request object says it; test_disconnect has the real one."""
    client = make_client()
    sent: list[object] = []

    class Cycle:
        disconnected = True

        async def receive(self) -> dict[str, object]:
            return {"type": "http.request", "body": b'{"inputs": "noon"}'}

    async def answer(message: object) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/predict", "headers": []}
    client.run(client.app(scope, Cycle().receive, answer))
    assert not sent
    page = client.get("/metrics").text
    assert 'regard_problems_total{type="client-left"} 1.0' in page
    assert 'regard_requests_total{route="/v1/predict",status="499"} 1.0' in page
    assert 'regard_batch_inputs_count{model="tiny"} 0.0' in page


def test_a_body_that_breaks_off_is_a_problem(client) -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    sent: list[dict[str, object]] = []

    async def answer(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/predict", "headers": []}
    client.run(client.app(scope, receive, answer))
    assert sent[0]["status"] == 400
    assert b"body-incomplete" in sent[1]["body"]


def enveloped(endpoints: dict) -> httpx.AsyncClient:
    """Of a service that has nothing else."""
    nothing = Envelope(None, endpoints, Settings(), Metrics(), Lifecycle(), lambda: None, None, [])
    transport = httpx.ASGITransport(nothing, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


def test_names_in_a_path_are_given_to_its_endpoint(client) -> None:
    async def endpoint(exchange) -> Reply:
        return Reply(json.dumps(exchange.parameters).encode(), b"text/x-names", [(b"x-more", b"1")])

    http = enveloped({"/of/{model}": endpoint, "/of/{model}/versions/{version}": endpoint})
    for path, expected in [
        ("/of/a-b", {"model": "a-b"}),
        ("/of/a%20b/versions/prod-v1", {"model": "a b", "version": "prod-v1"}),
    ]:
        answer = client.run(http.post(path))
        assert answer.json() == expected
        assert answer.headers["content-type"] == "text/x-names"
        assert answer.headers["x-more"] == "1"


def test_a_reply_may_come_in_parts(client) -> None:
    async def parts():
        for part in (b"one,", b"two"):
            yield part

    async def endpoint(exchange) -> Reply:
        return Reply(parts())

    answer = client.run(enveloped({"/": endpoint}).post("/"))
    assert answer.text == "one,two"
    assert "content-length" not in answer.headers
