"""/hf: the shape of Hugging Face's inference API."""

import functools
from typing import Annotated

import orjson
from fastapi import APIRouter, Path

from service.answers import PipelineAnswer
from service.exchange import Endpoint, Exchange, Reply
from service.hf.pipeline import answer
from service.openapi import describe
from service.parse import parse, read_body
from service.registry import Registry
from service.routes.models import Name
from service.schemas import PipelineRequest

MODEL = "/hf/{model}"
HEAD = "/hf/{model}/{head}"


async def ask(registry: Registry, exchange: Exchange) -> Reply:
    """Answer as a pipeline of Hugging Face's transformers on the model's weights does."""
    asked = parse(PipelineRequest, await read_body(exchange))
    names = exchange.parameters
    answered = await answer(registry.get(names["model"]), names.get("head"), asked, exchange.caller)
    return Reply(orjson.dumps(answered))


def endpoints(registry: Registry) -> dict[str, Endpoint]:
    """What `service.envelope` calls, by path."""
    return dict.fromkeys((MODEL, HEAD), functools.partial(ask, registry))


router = APIRouter()
Head = Annotated[str, Path(description="Name of one of its heads.")]
DESCRIBED = describe(PipelineAnswer, PipelineRequest)


@router.post(MODEL, **DESCRIBED)  # for OpenAPI, and other methods' 405
def ask_model(model: Name) -> None:
    """Answer as a pipeline of transformers does: the first head that takes the parameters."""


@router.post(HEAD, **DESCRIBED)
def ask_head(model: Name, head: Head) -> None:
    """Answer as a pipeline of transformers does: one head."""
