"""HTTP body -> request."""

import re
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from service.errors import (
    BodyIncomplete,
    BodyTooLarge,
    Fault,
    InvalidJson,
    InvalidRequest,
    UnknownEncoding,
)
from service.exchange import Exchange
from service.schemas import TAGS, AttentionOptions, Options, Part, QuerySpan, Request, Words

MAX_FAULTS = 10
OBJECTS: dict[str, type[Part]] = {
    "inputs": Words,
    "options": Options,
    "attention": AttentionOptions,
    "query": QuerySpan,
}
SURROGATE_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<lone>u[dD][89a-fA-F]..)|.)", re.DOTALL
)
AnyRequest = TypeVar("AnyRequest", bound=Request)


async def read_body(exchange: Exchange) -> bytes:
    """Read the body; one that is too large is not read to its end.

    Raises:
        BodyTooLarge: by what its head says, or by what came.
        BodyIncomplete: the client went away.
        UnknownEncoding: it is compressed.
    """
    headers, limit = exchange.headers, exchange.settings.max_body_bytes
    encoding = headers.get(b"content-encoding", b"identity").decode("latin-1")
    if encoding.lower() != "identity":
        raise UnknownEncoding(f"content-encoding {encoding!r} is not known; send it uncompressed")
    declared = headers.get(b"content-length", b"0")
    size = int(declared) if declared.isdigit() else 0
    if size > limit:
        raise BodyTooLarge(f"the body has {size} bytes; at most {limit} are allowed")
    chunks, size = [], 0
    while True:
        message = await exchange.receive()
        if message["type"] == "http.disconnect":
            raise BodyIncomplete(f"{size} bytes came before the client went away")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise BodyTooLarge(f"the body has more than the {limit} bytes that are allowed")
        if not message.get("more_body", False):
            return b"".join(chunks)


def parse(kind: type[AnyRequest], body: bytes) -> AnyRequest:
    r"""Read a request. A lone surrogate ("\ud83d") is read as U+FFFD, so that offsets hold.

    Raises:
        InvalidJson: not JSON, or nested too deeply.
        InvalidRequest: JSON, but no such request.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    if details[0]["type"] != "json_invalid":
        raise InvalidRequest([_fault(kind, detail) for detail in details[:MAX_FAULTS]])
    repaired = SURROGATE_ESCAPE.sub(lambda found: rb"\ufffd" if found["lone"] else found[0], body)
    if repaired == body:
        raise InvalidJson(details[0]["msg"])
    return parse(kind, repaired)


def _fault(kind: type[Request], detail: ErrorDetails) -> Fault:
    loc = [part for part in detail["loc"] if part not in TAGS.values()]
    fault: Fault = {"loc": loc, "message": detail["msg"]}
    if detail["type"] == "extra_forbidden":
        names = [str(name) for name in loc[:-1] if name in OBJECTS]
        part = OBJECTS[names[-1]] if names else kind
        fault["allowed"] = list(part.model_fields)
        fault["message"] = f"unknown field; there are {', '.join(part.model_fields)}"
    return fault
