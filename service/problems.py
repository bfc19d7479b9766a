"""What failed -> application/problem+json (RFC 9457). The one place that knows both.

Clients of other protocols look for the message in a member `error`, and kserve for it only in what
is called application/json; so their paths get the same object with that member, so called.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

import orjson
from fastapi import Request, Response
from starlette.exceptions import HTTPException

from service import errors
from service.answers import Problem

MEDIA_TYPE = "application/problem+json"
OPEN_INFERENCE = "/v2"  # there 422 is not known
FOREIGN = (OPEN_INFERENCE, "/hf/")  # begin the paths of other protocols

Headers = list[tuple[bytes, bytes]]


class Failure(NamedTuple):
    """An answer; `name` is that of the sort of problem."""

    status: int
    name: str
    body: bytes
    media: bytes
    headers: Headers


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
    errors.Unsupported: Sort(501, "unsupported", "This is not supported"),
    errors.Loading: Sort(503, "loading", "The models are being loaded"),
    errors.NoModel: Sort(503, "no-model", "No model is being served"),
    errors.ShuttingDown: Sort(503, "shutting-down", "The service is being stopped"),
    errors.DeadlineExceeded: Sort(504, "deadline-exceeded", "The deadline is over"),
}
ROUTING = {
    404: Sort(404, "not-found", "No such path"),
    405: Sort(405, "method-not-allowed", "The path does not take this method"),
}


def write_problem(error: Exception, path: str, line: int | None = None) -> Failure:
    """What a failure answers to a request for that path, or to one line of it."""
    if not isinstance(error, errors.ServiceError):
        detail = "a bug of the service; it was logged, and the input may well be right"
        return _write(PROBLEMS[Exception], detail, path, line=line)
    headers: Headers = []
    if isinstance(error, errors.Unavailable):
        headers.append((b"retry-after", b"%d" % error.retry_after_s))
    if isinstance(error, errors.UnknownEncoding):
        headers.append((b"accept-encoding", error.allowed.encode()))
    if isinstance(error, errors.Unauthorized):
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, errors.ShuttingDown):
        headers.append((b"connection", b"close"))
    return _write(PROBLEMS[type(error)], str(error), path, error.faults, headers, line)


async def failure(request: Request, error: Exception) -> Response:
    """Answer what failed in a route of FastAPI's; for its exception handlers."""
    found = write_problem(error, request.url.path)
    if isinstance(error, errors.ServiceError):  # others are raised again, and counted further out
        request.app.state.metrics.record_problem(found.name)
    return _respond(found)


async def routing_error(request: Request, error: Exception) -> Response:
    """Answer a path or method that does not exist; for FastAPI's exception handlers."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    sort = ROUTING.get(status, Sort(status, status.phrase.lower().replace(" ", "-"), status.phrase))
    path = request.url.path
    request.app.state.metrics.record_problem(sort.name)
    headers = [(name.encode(), value.encode()) for name, value in (error.headers or {}).items()]
    detail = f"{request.method} {path}; /docs lists what there is"
    return _respond(_write(sort, detail, path, headers=headers))


def _respond(found: Failure) -> Response:
    text = {name.decode(): value.decode() for name, value in found.headers}
    return Response(found.body, found.status, text, found.media.decode())


def _write(
    sort: Sort,
    detail: str,
    path: str,
    faults: Sequence[errors.Fault] = (),
    headers: Headers | None = None,
    line: int | None = None,
) -> Failure:
    status = 400 if sort.status == 422 and path.startswith(OPEN_INFERENCE) else sort.status
    problem: Problem = {
        "type": f"urn:regard:{sort.name}",
        "title": sort.title,
        "status": status,
        "detail": detail,
    }
    if faults:
        problem["errors"] = list(faults)
    if line is not None:
        problem["line"] = line
    media = MEDIA_TYPE
    if path.startswith(FOREIGN):
        problem["error"] = detail
        media = "application/json"
    return Failure(status, sort.name, orjson.dumps(problem), media.encode(), headers or [])
