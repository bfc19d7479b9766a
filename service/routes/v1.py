"""/v1: predictions and attention weights."""

import asyncio
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any

import orjson
from fastapi import APIRouter

from model.config import HeadKind
from service.accept import prefers
from service.answers import Answer
from service.attention.encoding import send_parts, to_safetensors, write_json
from service.attention.view import Tensors
from service.exchange import LINES, Endpoint, Exchange, Reply
from service.lines import ALL_KINDS, answer_line, answer_lines
from service.offload import LOOP_FLOATS
from service.openapi import SAFETENSORS, describe
from service.parse import parse, read_body, read_lines, skip_body
from service.registry import Registry
from service.schemas import (
    AttentionRequest,
    ClassifyRequest,
    LabelRequest,
    Options,
    PredictRequest,
    TranscribeRequest,
)


async def predict(registry: Registry, exchange: Exchange) -> Reply:
    """Ask all heads of a model, in one pass.

    With `Content-Type: application/x-ndjson`, any number of lines: each is such a request, or its
    input alone, and gets its answer, or a problem, in the line of the same number.
    """
    media = exchange.headers.get(b"content-type", b"").partition(b";")[0]
    if media.strip().lower() == LINES:
        registry.check_loaded()
        return Reply(_answer_lines(registry, exchange, read_lines(exchange)), LINES)
    asked = parse(PredictRequest, await read_body(exchange))
    return await _answer(registry, exchange, asked, ALL_KINDS, asked.options)


async def _answer_lines(
    registry: Registry, exchange: Exchange, lines: AsyncIterator[bytes]
) -> AsyncGenerator[bytes, None]:
    answers = answer_lines(
        lines,
        lambda line: answer_line(line, registry.get, exchange.call()),
        lambda error, number: exchange.tell(error, number).body,
    )
    async with aclosing(answers):
        async for part in answers:
            yield part
    if exchange.draining.is_set():
        await skip_body(exchange)


async def label(registry: Registry, exchange: Exchange) -> Reply:
    """Label every word, and give the spans that the labels form."""
    asked = parse(LabelRequest, await read_body(exchange))
    return await _answer(registry, exchange, asked, ("token",))


async def classify(registry: Registry, exchange: Exchange) -> Reply:
    """Give the classes of whole inputs, and the values."""
    asked = parse(ClassifyRequest, await read_body(exchange))
    return await _answer(registry, exchange, asked, ("sequence", "value"), asked.options)


async def transcribe(registry: Registry, exchange: Exchange) -> Reply:
    """Give labels whose number the model decides, and where in the input each is from."""
    asked = parse(TranscribeRequest, await read_body(exchange))
    return await _answer(registry, exchange, asked, ("ctc",), asked.options)


async def attention(registry: Registry, exchange: Exchange) -> Reply:
    """Give attention weights alone: who looks at whom, in each layer, for each attention head."""
    asked = parse(AttentionRequest, await read_body(exchange))
    return await _answer(registry, exchange, asked, ())


async def _answer(
    registry: Registry,
    exchange: Exchange,
    asked: LabelRequest | AttentionRequest,
    kinds: tuple[HeadKind, ...],
    options: Options = Options(),  # noqa: B008  # frozen
) -> Reply:
    model = registry.get(asked.model)
    tensors: Tensors = {}
    answer = await model.predict(
        asked.inputs, kinds, options, asked.attention, exchange.caller, tensors
    )
    accept = exchange.headers.get(b"accept", b"").decode("latin-1")
    if prefers(accept, SAFETENSORS, "application/json"):
        metadata = {"answer": orjson.dumps(answer).decode()}
        return _send(to_safetensors(tensors, metadata), SAFETENSORS)
    if sum(tensor.size for tensor in tensors.values()) <= LOOP_FLOATS:
        return Reply(b"".join(write_json(answer, tensors)))
    return _send(await asyncio.to_thread(write_json, answer, tensors), "application/json")


def _send(parts: Sequence[bytes | memoryview], media: str) -> Reply:
    size = b"%d" % sum(map(len, parts))
    return Reply(send_parts(parts), media.encode(), [(b"content-length", size)])


Handler = Callable[[Registry, Exchange], Coroutine[Any, Any, Reply]]
ROUTES: dict[str, tuple[Handler, type]] = {
    "/v1/predict": (predict, PredictRequest),
    "/v1/label": (label, LabelRequest),
    "/v1/classify": (classify, ClassifyRequest),
    "/v1/transcribe": (transcribe, TranscribeRequest),
    "/v1/attention": (attention, AttentionRequest),
}


def endpoints(registry: Registry) -> dict[str, Endpoint]:
    """What `service.envelope` calls, by path."""
    return {path: functools.partial(handler, registry) for path, (handler, _) in ROUTES.items()}


router = APIRouter()
for _path, (_handler, _request) in ROUTES.items():  # for OpenAPI, and other methods' 405
    router.add_api_route(
        _path,
        lambda: None,
        methods=["POST"],
        name=_handler.__name__,
        description=_handler.__doc__,
        **describe(Answer, _request, binary=SAFETENSORS),
    )
