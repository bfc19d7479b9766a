"""HTTP body -> request, or lines."""

import asyncio
import re
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from typing import Literal, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.types import Message

from service.errors import (
    BodyIncomplete,
    BodyTooLarge,
    ClientLeft,
    Fault,
    InvalidJson,
    InvalidRequest,
    ShuttingDown,
    UnknownEncoding,
)
from service.exchange import Exchange
from service.schemas import (
    OBJECT_INPUTS,
    TAGS,
    AttentionOptions,
    Options,
    Parameters,
    Part,
    QuerySpan,
)

MAX_FAULTS = 10
SILENCE_S = 1.0  # after which nobody sends any more
STOPPING = "the service is being stopped; neither this line nor any after it was read"
OBJECTS: dict[str, type[Part]] = {
    "options": Options,
    "attention": AttentionOptions,
    "parameters": Parameters,
    "query": QuerySpan,
}
INPUT_TAGS = {f"<{name}>": part for name, part in OBJECT_INPUTS.items()}
SURROGATE_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<lone>u[dD][89a-fA-F]..)|.)", re.DOTALL
)
AnyRequest = TypeVar("AnyRequest", bound=BaseModel)


async def read_body(exchange: Exchange, encodings: Collection[bytes] = ()) -> bytes:
    """Read the body; one that is too large is not read to its end.

    Args:
        exchange: whose body it is.
        encodings: it may be compressed so, and is left so.

    Raises:
        BodyTooLarge: by what its head says, or by what came.
        BodyIncomplete: the client went away.
        UnknownEncoding: it is compressed in another way.
    """
    limit = exchange.settings.max_body_bytes
    _check_encoding(exchange, encodings)
    declared = exchange.headers.get(b"content-length", b"0")
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


def read_lines(exchange: Exchange) -> AsyncIterator[bytes]:
    """The lines of the body as they come, without their ends.

    Raises:
        BodyTooLarge: a line is longer than a body may be.
        ClientLeft: the client went away.
        ShuttingDown: the service is being stopped.
        UnknownEncoding: it is compressed; before there is any line.
    """
    _check_encoding(exchange, ())
    return _split(exchange)


async def skip_body(exchange: Exchange) -> None:
    """Read on while anything comes: a close with bytes unread would take back the answer."""
    with suppress(TimeoutError):
        while True:
            message = await asyncio.wait_for(exchange.receive(), SILENCE_S)
            if not message.get("more_body", False):
                return


async def _split(exchange: Exchange) -> AsyncIterator[bytes]:
    begun, more = bytearray(), True
    draining = asyncio.create_task(exchange.draining.wait())
    try:
        while more:
            message = await _receive(exchange, draining)
            more = message.get("more_body", False)
            *ends, begins = message.get("body", b"").split(b"\n")
            for end in ends:
                _extend(begun, end, exchange)
                yield bytes(begun)
                begun.clear()
            _extend(begun, begins, exchange)
        if begun:
            yield bytes(begun)
    finally:
        draining.cancel()


def _check_encoding(exchange: Exchange, encodings: Collection[bytes]) -> None:
    encoding = exchange.headers.get(b"content-encoding", b"identity").lower()
    if encoding not in (known := (b"identity", *encodings)):
        told, allowed = encoding.decode("latin-1"), b", ".join(known).decode()
        raise UnknownEncoding(
            f"content-encoding {told!r} is not known; there are {allowed}", allowed
        )


async def _receive(exchange: Exchange, draining: "asyncio.Task[Literal[True]]") -> Message:
    """The next message, unless draining begins before it is there."""
    receiving = asyncio.ensure_future(exchange.receive())
    try:
        await asyncio.wait((receiving, draining), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not receiving.done():
            receiving.cancel()
    if not receiving.done():
        raise ShuttingDown(STOPPING)
    message = receiving.result()
    if message["type"] == "http.disconnect":
        raise ClientLeft("the client went away before its last line")
    return message


def _extend(line: bytearray, part: bytes, exchange: Exchange) -> None:
    line += part
    limit = exchange.settings.max_body_bytes
    if len(line) > limit:
        raise BodyTooLarge(f"the line has more than the {limit} bytes that are allowed")
    if exchange.draining.is_set():
        raise ShuttingDown(STOPPING)


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


def _fault(kind: type[BaseModel], detail: ErrorDetails) -> Fault:
    loc = [part for part in detail["loc"] if part not in TAGS.values() and part not in INPUT_TAGS]
    fault: Fault = {"loc": loc, "message": detail["msg"]}
    if detail["type"] == "extra_forbidden":
        names = [name for name in detail["loc"][:-1] if name in OBJECTS or name in INPUT_TAGS]
        part = (OBJECTS | INPUT_TAGS)[str(names[-1])] if names else kind
        fault["allowed"] = list(part.model_fields)
        fault["message"] = f"unknown field; there are {', '.join(part.model_fields)}"
    return fault
