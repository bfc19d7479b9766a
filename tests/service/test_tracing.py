"""Traces: one span a request, one within for each stage; nothing at all where they are off."""

import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from service import tracing
from service.tracing import Tracer
from tests.service.process import ROOT, serving

STAGES = ["preprocess", "queue", "model", "decode"]
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def spans(make_client, monkeypatch) -> Iterator[SimpleNamespace]:
    """A client, and read() -> the spans since it was called last."""
    exporter = InMemorySpanExporter()
    tracer = Tracer(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "connect", lambda endpoint: tracer)
    client = make_client(otlp_endpoint="http://nowhere.invalid:4318")

    def read() -> list[ReadableSpan]:
        found = list(exporter.get_finished_spans())
        exporter.clear()
        return found

    yield SimpleNamespace(client=client, read=read)
    tracer.close()


def test_a_request_is_a_span_and_its_stages_are_within(spans: SimpleNamespace) -> None:
    response = spans.client.post("/v1/predict", {"inputs": "noon"}, **{"x-request-id": "abc"})
    *stages, server = spans.read()
    assert server.name == "POST /v1/predict"
    assert server.kind is SpanKind.SERVER
    assert server.parent is None
    assert dict(server.attributes) == {
        "http.request.method": "POST",
        "http.route": "/v1/predict",
        "http.response.status_code": 200,
        "regard.request_id": "abc",
        "regard.model": "tiny",
    }
    assert [stage.name for stage in stages] == STAGES
    assert all(stage.parent.span_id == server.context.span_id for stage in stages)
    moments = [server.start_time]
    for stage in stages:
        moments += [stage.start_time, stage.end_time]
    assert moments == sorted(moments)
    timing = dict(part.split(";dur=") for part in response.headers["server-timing"].split(", "))
    for stage in stages:
        took_ms = (stage.end_time - stage.start_time) / 1e6
        assert took_ms == pytest.approx(float(timing[stage.name]), abs=0.01)


def test_the_client_s_trace_goes_on(spans: SimpleNamespace) -> None:
    given = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1"}
    spans.client.post("/v1/label", {"inputs": "noon"}, **given)
    *stages, server = spans.read()
    assert f"{server.parent.span_id:016x}" == PARENT
    for span in (*stages, server):
        assert f"{span.context.trace_id:032x}" == TRACE
    assert server.context.trace_state.get("vendor") == "1"
    unsampled = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
    spans.client.post("/v1/label", {"inputs": "noon"}, **unsampled)
    assert spans.read() == []
    for broken in ("nonsense", f"00-{'0' * 32}-{PARENT}-01"):
        spans.client.post("/v1/label", {"inputs": "noon"}, traceparent=broken)
        assert spans.read()[-1].parent is None


def test_what_fails_is_a_span_too(spans: SimpleNamespace, monkeypatch) -> None:
    client = spans.client
    assert client.post("/v1/predict", b"{").status_code == 400
    assert client.get("/nowhere/of/mine").status_code == 404
    assert client.get("/v1/models/tiny").status_code == 200
    found = spans.read()
    names = ["POST /v1/predict", "GET other", "GET /v1/models/{name}"]
    assert [span.name for span in found] == names
    assert all(span.status.status_code is StatusCode.UNSET for span in found)
    monkeypatch.setattr(client.app.state.registry.get("tiny"), "_look", None)
    assert client.post("/v1/predict", {"inputs": "noon"}).status_code == 500
    (span,) = spans.read()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "500"


class Collector(BaseHTTPRequestHandler):
    """Takes spans, and keeps them in its server's list."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.told.append((self.path, ExportTraceServiceRequest.FromString(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        server.told = []
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_spans_reach_a_collector_and_the_last_at_the_end(
    tiny: SimpleNamespace, collector: ThreadingHTTPServer
) -> None:
    endpoint = f"http://127.0.0.1:{collector.server_port}"
    with serving(tiny.folder, otlp_endpoint=endpoint, default_model="tiny") as (process, url):
        httpx.post(f"{url}/v1/predict", json={"inputs": "noon"})
        process.terminate()
        assert process.wait(30) == 0
        assert process.stderr.read() == ""
    assert {path for path, _ in collector.told} == {"/v1/traces"}
    resources = [one for _, request in collector.told for one in request.resource_spans]
    names = [span.name for one in resources for scope in one.scope_spans for span in scope.spans]
    assert names == [*STAGES, "POST /v1/predict"]
    told = {item.key: item.value.string_value for item in resources[0].resource.attributes}
    assert told["service.name"] == "regard"


def test_where_no_endpoint_is_set_nothing_of_it_is_imported(tiny: SimpleNamespace) -> None:
    code = (
        "import sys\n"
        "from service.app import create_app\n"
        "from service.settings import Settings\n"
        f"app = create_app(Settings(bundles={str(tiny.folder)!r}, threads=1))\n"
        "assert app.envelope._observers == [], 'one test a request, and no more'\n"
        "print(*(name for name in sys.modules if name.startswith('opentelemetry.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not {"opentelemetry.sdk", "opentelemetry.exporter"} & set(done.stdout.split())


def test_an_endpoint_without_the_extra_ends_the_start(make_client, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "service.tracing", None)
    with pytest.raises(ValueError, match="needs the extra otel"):
        make_client(otlp_endpoint="http://127.0.0.1:4318")
