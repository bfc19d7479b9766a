"""What the service says of itself; never what it was asked."""

import io
import json
import logging
import shutil
import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service import tracing
from service.logs import configure
from service.settings import Settings
from tests.service.process import connect, serving
from tests.service.watched import KEY, drive

MARKER = "xylophone"


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, afterwards as it was."""
    logger = logging.getLogger()
    before = logger.handlers, logger.level
    yield logger
    logger.handlers, level = before
    logger.setLevel(level)


def capture(root: logging.Logger, **settings: str) -> io.StringIO:
    configure(Settings(**settings))
    lines = io.StringIO()
    root.handlers[0].setStream(lines)
    return lines


def fail() -> None:
    try:
        raise KeyError(MARKER)
    except KeyError as error:
        raise ValueError(MARKER) from error


def test_json_lines_hold_what_goes_with_them(root: logging.Logger) -> None:
    lines = capture(root, log_format="json")
    logging.getLogger("regard").warning("%d of %s", 1, "é", extra={"request_id": "a", "ms": 2.5})
    logging.getLogger("regard").debug("never seen")
    told = json.loads(lines.getvalue())
    assert datetime.fromisoformat(told.pop("time")).tzinfo is not None
    assert told == {
        "level": "warning",
        "logger": "regard",
        "message": "1 of é",
        "request_id": "a",
        "ms": 2.5,
    }


def test_console_lines_do_too(root: logging.Logger) -> None:
    lines = capture(root, log_level="debug")
    logging.getLogger("regard").debug("said", extra={"request_id": "a"})
    assert lines.getvalue().endswith(" DEBUG regard: said request_id=a\n")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_of_an_exception_its_place_is_told_and_not_its_message(
    root: logging.Logger, log_format: str
) -> None:
    lines = capture(root, log_format=log_format)
    try:
        fail()
    except ValueError:
        logging.getLogger("regard").exception("a bug")
    told = lines.getvalue()
    assert told.index("builtins.KeyError") < told.index("builtins.ValueError")
    assert "test_logs.py" in told
    assert "in fail" in told
    assert MARKER not in told


def requests(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "regard.requests"]


def test_requests_are_logged_where_that_is_set(make_client, caplog) -> None:
    caplog.set_level("INFO")
    make_client().post("/v1/predict", {"inputs": "noon"})
    assert not requests(caplog)
    client = make_client(log_requests=True)
    caplog.clear()
    client.post("/v1/predict", {"inputs": "noon"}, **{"x-request-id": "abc"})
    client.get("/v1/models/tiny?secret=1")
    first, second = requests(caplog)
    assert first.getMessage() == "POST /v1/predict 200"
    assert first.request_id == "abc"
    assert first.ms > 0
    assert second.getMessage() == "GET /v1/models/{name} 200"


def test_what_happens_to_models_and_the_end_are_told(tiny: SimpleNamespace, tmp_path: Path) -> None:
    bundles = shutil.copytree(tiny.folder, tmp_path / "bundles")
    settings = {"admin_key": "k", "watch_s": "0", "log_level": "info", "log_format": "json"}
    with serving(bundles, **settings) as (process, url), httpx.Client(base_url=url) as http:
        http.put("/v1/models/tiny", headers=KEY, timeout=60)
        http.delete("/v1/models/tagger", headers=KEY)
        (bundles / "tiny" / "tokenizer.json").unlink()
        http.put("/v1/models/tiny", headers=KEY)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        told = [json.loads(line) for line in process.stderr.read().splitlines()]
    assert [(line["level"], line["message"].split()[:2]) for line in told] == [
        ("info", ["loaded", "tagger,"]),
        ("info", ["loaded", "tiny,"]),
        ("info", ["reloaded", "tiny,"]),
        ("info", ["unloaded", "tagger"]),
        ("warning", ["refused", "tiny:"]),
        ("info", ["leaving:", "/health/ready"]),
        ("info", ["draining:", "new"]),
    ]
    assert "tokenizer.json cannot be read" in told[4]["message"]


def test_uvicorn_s_own_lines_are_written_as_ours_in_every_worker(tiny: SimpleNamespace) -> None:
    settings = {"log_format": "json", "workers": "2", "default_model": "tiny"}
    with serving(tiny.folder, **settings) as (process, url):
        with connect(url) as connection, connection.makefile("rb") as answer:
            connection.sendall(b"NONSENSE\r\n\r\n")
            assert answer.readline().split()[1] == b"400"
        process.terminate()
        assert process.wait(30) == 0
        (told,) = [json.loads(line) for line in process.stderr.read().splitlines()]
    assert told["logger"] == "uvicorn.error"
    assert told["message"] == "Invalid HTTP request received."


def test_no_text_of_a_request_is_in_a_log_a_trace_or_a_metric(
    make_client, monkeypatch, root: logging.Logger
) -> None:
    exporter = InMemorySpanExporter()
    tracer = tracing.Tracer(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "connect", lambda endpoint: tracer)
    client = make_client(otlp_endpoint="http://x.invalid", log_requests=True, admin_key="k")
    lines = capture(root, log_level="debug")

    class Http:
        """Drives through the app itself."""

        @staticmethod
        def request(*arguments: object, **more: object) -> httpx.Response:
            return client.run(client.http.request(*arguments, **more))

        @staticmethod
        def post(*arguments: object, **more: object) -> httpx.Response:
            return client.run(client.http.post(*arguments, **more))

    statuses = drive(Http, MARKER)

    def fail_with(queries: list) -> None:
        raise ValueError(f"{MARKER} {queries}")

    predictor = client.app.state.registry.get("tiny")
    monkeypatch.setattr(predictor._batcher, "_run", fail_with)
    statuses.append(client.post("/v1/predict", {"inputs": MARKER}).status_code)
    assert {200, 400, 404, 413, 422, 500} <= set(statuses)
    assert "fail_with" in lines.getvalue()
    page = client.get("/metrics").text
    spans = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert "POST /v1/attention" in spans
    for told in (lines.getvalue(), page, spans):
        assert MARKER not in told
    tracer.close()
