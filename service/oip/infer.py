"""The inference of the Open Inference Protocol: tensors in, tensors out."""

import time
from collections.abc import Mapping
from weakref import WeakKeyDictionary

from service.caller import Caller
from service.errors import Fault, RequestError
from service.exchange import Exchange, Reply
from service.offload import LOOP_FLOATS, LOOP_POSITIONS, call
from service.oip.answering import Computed, answer
from service.oip.asking import Asked, check, read_timeout
from service.oip.message import (
    ENCODINGS,
    choose_encoding,
    deflate,
    inflate,
    read_request,
    write_reply,
)
from service.oip.schemas import InferRequest
from service.oip.surface import Surface
from service.parse import read_body
from service.predictor import Predictor
from service.registry import Registry
from service.settings import Settings

LOOP_BYTES = 32_768  # a larger body is read, and its answer written, off the event loop


class Infer:
    """Answers requests for inference."""

    def __init__(self, registry: Registry):
        self._registry = registry
        self._surfaces: WeakKeyDictionary[Predictor, Surface] = WeakKeyDictionary()

    async def __call__(self, exchange: Exchange) -> Reply:
        """Ask a model with tensors; the path names it, and its version if that matters.

        Raises:
            ServiceError: it cannot be answered.
        """
        body = await read_body(exchange, ENCODINGS)
        path, headers, caller = exchange.parameters, exchange.headers, exchange.caller
        predictor = self._registry.get(path["model"], path.get("version"))
        with predictor.in_flight:  # while what was asked is read, too
            surface = self.surface(predictor)
            large = len(body) > LOOP_BYTES or b"content-encoding" in headers
            request, asked = await call(large, _read, body, headers, surface, exchange.settings)
            timeout_s = read_timeout(request.parameters)
            if timeout_s is not None:
                caller.deadline_s = min(caller.deadline_s, time.perf_counter() + timeout_s)
            computed = await _compute(predictor, asked, caller)
        started_s = time.perf_counter()
        large |= _is_large(computed) or (bool(surface.transcripts) and not asked.raw)
        accepted = headers.get(b"accept-encoding", b"")
        reply = await call(large, _write, predictor, surface, request, asked, computed, accepted)
        caller.stages["decode"] = time.perf_counter() - started_s
        return reply

    def surface(self, predictor: Predictor) -> Surface:
        """The tensors of a model; found once."""
        surface = self._surfaces.get(predictor)
        if surface is None:
            surface = self._surfaces[predictor] = Surface(predictor.manifest)
        return surface


async def _compute(predictor: Predictor, asked: Asked, caller: Caller) -> Computed:
    try:
        return await predictor.compute(asked.sources, asked.attention, caller, raw=asked.raw)
    except RequestError as error:
        raise type(error)([_relocate(fault, asked.way) for fault in error.faults]) from error


def _read(
    body: bytes, headers: Mapping[bytes, bytes], surface: Surface, settings: Settings
) -> tuple[InferRequest, Asked]:
    encoding = headers.get(b"content-encoding", b"identity").lower()
    if encoding in ENCODINGS:
        body = inflate(body, encoding, settings.max_body_bytes)
    request, contents = read_request(body, headers)
    return request, check(request, contents, surface, settings)


def _relocate(fault: Fault, way: str) -> Fault:
    """Name the tensor, where /v1 would name its `inputs`."""
    place, *more = fault["loc"]
    if place != "inputs":
        return fault
    return {**fault, "loc": ["inputs", way, *more]}


def _is_large(computed: Computed) -> bool:
    floats = sum(
        array.size
        for _, outputs in computed
        for array in (*outputs.logits.values(), *(outputs.attention or {}).values())
    )
    positions = sum(encoded.length for encoded, _ in computed)
    return floats > LOOP_FLOATS or positions > LOOP_POSITIONS


def _write(
    predictor: Predictor,
    surface: Surface,
    request: InferRequest,
    asked: Asked,
    computed: Computed,
    accepted: bytes,
) -> Reply:
    tensors = answer(predictor, surface, asked, computed)
    manifest = predictor.manifest
    outputs = [
        (tensor, wanted.binary) for tensor, wanted in zip(tensors, asked.wanted, strict=True)
    ]
    reply = write_reply(manifest.name, manifest.version, request.id, outputs)
    encoding = choose_encoding(accepted) if accepted else None
    return deflate(reply, encoding) if encoding else reply
