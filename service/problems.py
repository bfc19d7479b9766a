"""What failed -> application/problem+json (RFC 9457). The one place that knows both."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

import orjson
from fastapi import Request, Response
from starlette.exceptions import HTTPException

from service import errors
from service.answers import Problem

MEDIA_TYPE = "application/problem+json"

Headers = list[tuple[bytes, bytes]]


class Sort(NamedTuple):
    """A sort of problem; `name` is stable."""

    status: int
    name: str
    title: str


PROBLEMS: dict[type[Exception], Sort] = {
    errors.InvalidJson: Sort(400, "invalid-json", "The body is not JSON"),
    errors.BodyIncomplete: Sort(400, "body-incomplete", "The body broke off"),
    errors.Unauthorized: Sort(401, "unauthorized", "The key is missing or wrong"),
    errors.Forbidden: Sort(403, "forbidden", "This is not allowed here"),
    errors.UnknownModel: Sort(404, "unknown-model", "No such model"),
    errors.BodyTooLarge: Sort(413, "body-too-large", "The body is too large"),
    errors.TooLarge: Sort(413, "too-large", "More was asked for than is allowed"),
    errors.UnknownEncoding: Sort(415, "unknown-encoding", "The body is compressed"),
    errors.InvalidRequest: Sort(422, "invalid-request", "The request is not valid"),
    errors.InvalidInput: Sort(422, "invalid-input", "An input cannot be encoded"),
    errors.MissingHead: Sort(422, "missing-head", "The model has no such head"),
    errors.BundleRefused: Sort(422, "bundle-refused", "The bundle cannot be used"),
    errors.Overloaded: Sort(429, "overloaded", "Too much is waiting"),
    errors.RateLimited: Sort(429, "rate-limited", "This key asks too often"),
    errors.HeadersTooLarge: Sort(431, "headers-too-large", "The headers are too large"),
    Exception: Sort(500, "internal-error", "An error in the service"),
    errors.Loading: Sort(503, "loading", "The models are being loaded"),
    errors.NoModel: Sort(503, "no-model", "No model is being served"),
    errors.ShuttingDown: Sort(503, "shutting-down", "The service is being stopped"),
    errors.DeadlineExceeded: Sort(504, "deadline-exceeded", "The deadline is over"),
}
ROUTING = {
    404: Sort(404, "not-found", "No such path"),
    405: Sort(405, "method-not-allowed", "The path does not take this method"),
}


def write_problem(error: Exception) -> tuple[int, str, bytes, Headers]:
    """What a failure answers: status, name of the sort, body, headers."""
    if not isinstance(error, errors.ServiceError):
        sort = PROBLEMS[Exception]
        detail = "a bug of the service; it was logged, and the input may well be right"
        return sort.status, sort.name, _body(sort, detail), []
    headers: Headers = []
    if isinstance(error, errors.Unavailable):
        headers.append((b"retry-after", b"%d" % error.retry_after_s))
    if isinstance(error, errors.UnknownEncoding):
        headers.append((b"accept-encoding", b"identity"))
    if isinstance(error, errors.Unauthorized):
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, errors.ShuttingDown):
        headers.append((b"connection", b"close"))
    sort = PROBLEMS[type(error)]
    return sort.status, sort.name, _body(sort, str(error), error.faults), headers


async def failure(request: Request, error: Exception) -> Response:
    """Answer what failed in a route of FastAPI's; for its exception handlers."""
    status, kind, body, headers = write_problem(error)
    if isinstance(error, errors.ServiceError):  # others are raised again, and counted further out
        request.app.state.metrics.record_problem(kind)
    text = {name.decode(): value.decode() for name, value in headers}
    return Response(body, status, text, MEDIA_TYPE)


async def routing_error(request: Request, error: Exception) -> Response:
    """Answer a path or method that does not exist; for FastAPI's exception handlers."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    sort = ROUTING.get(status, Sort(status, status.phrase.lower().replace(" ", "-"), status.phrase))
    detail = f"{request.method} {request.url.path}; /docs lists what there is"
    request.app.state.metrics.record_problem(sort.name)
    return Response(_body(sort, detail), sort.status, dict(error.headers or {}), MEDIA_TYPE)


def _body(sort: Sort, detail: str, faults: Sequence[errors.Fault] = ()) -> bytes:
    problem: Problem = {
        "type": f"urn:regard:{sort.name}",
        "title": sort.title,
        "status": sort.status,
        "detail": detail,
    }
    if faults:
        problem["errors"] = list(faults)
    return orjson.dumps(problem)
