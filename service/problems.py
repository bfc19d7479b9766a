"""What failed -> application/problem+json (RFC 9457). The one place that knows both."""

from http import HTTPStatus
from typing import NamedTuple

import orjson
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from service import errors
from service.answers import Problem

MEDIA_TYPE = "application/problem+json"


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
    Exception: Sort(500, "internal-error", "An error in the service"),
    errors.Loading: Sort(503, "loading", "The models are being loaded"),
    errors.NoModel: Sort(503, "no-model", "No model is being served"),
    errors.ShuttingDown: Sort(503, "shutting-down", "The service is being stopped"),
}
ROUTING = {
    404: Sort(404, "not-found", "No such path"),
    405: Sort(405, "method-not-allowed", "The path does not take this method"),
}


def install(app: FastAPI) -> None:
    """Make every failure of the app answer a problem."""
    app.add_exception_handler(errors.ServiceError, service_error)
    app.add_exception_handler(HTTPException, _routing_error)
    app.add_exception_handler(Exception, _bug)


async def service_error(request: Request, error: Exception) -> Response:
    """The problem that such an error is."""
    assert isinstance(error, errors.ServiceError)
    headers = {}
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, errors.UnknownEncoding):
        headers["Accept-Encoding"] = "identity"
    if isinstance(error, errors.Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    return _answer(request, PROBLEMS[type(error)], str(error), error.faults, headers)


async def _routing_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    sort = ROUTING.get(status, Sort(status, status.phrase.lower().replace(" ", "-"), status.phrase))
    detail = f"{request.method} {request.url.path}; /docs lists what there is"
    return _answer(request, sort, detail, headers=dict(error.headers or {}))


async def _bug(request: Request, error: Exception) -> Response:
    detail = "a bug of the service; it was logged, and the input may well be right"
    return _answer(request, PROBLEMS[Exception], detail)


def _answer(
    request: Request,
    sort: Sort,
    detail: str,
    faults: list[errors.Fault] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    request.app.state.metrics.record_problem(sort.name)
    problem: Problem = {
        "type": f"urn:regard:{sort.name}",
        "title": sort.title,
        "status": sort.status,
        "detail": detail,
    }
    if faults:
        problem["errors"] = faults
    return Response(orjson.dumps(problem), sort.status, headers, MEDIA_TYPE)
