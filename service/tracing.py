"""Traces for OpenTelemetry; imported only where an endpoint is set."""

from collections.abc import Mapping
from importlib.metadata import version
from time import perf_counter, time_ns

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.caller import Caller, Finished

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
CARRIED = ("traceparent", "tracestate")


class Tracer:
    """Makes the spans of a request when it is over, so that nothing is done while it is answered.

    Args:
        processor: takes the spans.
    """

    def __init__(self, processor: SpanProcessor):
        resource = Resource.create({"service.name": "regard", "service.version": version("regard")})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("regard")
        self._propagator = TraceContextTextMapPropagator()

    def record(self, request: Finished) -> None:
        """A span for a request, within the client's, if it has one; within it, one a stage."""
        now_ns = time_ns()
        offset_ns = now_ns - int(perf_counter() * 1e9)
        method, known = request.method, request.method in METHODS
        span = self._tracer.start_span(
            f"{method if known else 'HTTP'} {request.route}",
            self._propagator.extract(_carried(request.headers)),
            SpanKind.SERVER,
            {
                "http.request.method": method if known else "_OTHER",
                "http.route": request.route,
                "http.response.status_code": request.status,
                "regard.request_id": request.request_id.decode(),
            },
            start_time=int(request.started_s * 1e9) + offset_ns,
        )
        if request.caller is not None and request.caller.model is not None:
            span.set_attribute("regard.model", request.caller.model)
            self._record_stages(span, request.caller, offset_ns)
        if request.status >= 500:
            span.set_attribute("error.type", str(request.status))
            span.set_status(Status(StatusCode.ERROR))
        span.end(now_ns)

    def _record_stages(self, span: Span, caller: Caller, offset_ns: int) -> None:
        inside, at_s = set_span_in_context(span), caller.begun_s
        for stage, seconds in caller.stages.items():
            start_ns = int(at_s * 1e9) + offset_ns
            child = self._tracer.start_span(stage, inside, start_time=start_ns)
            at_s += seconds
            child.end(int(at_s * 1e9) + offset_ns)

    def close(self) -> None:
        """Send what was not sent yet."""
        self._provider.shutdown()


def _carried(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    return {
        name: headers[name.encode()].decode("latin-1")
        for name in CARRIED
        if name.encode() in headers
    }


def connect(endpoint: str) -> Tracer:
    """Traces go to a collector, by OTLP over HTTP."""
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")
    return Tracer(BatchSpanProcessor(exporter))
