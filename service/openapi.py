"""The OpenAPI document. Routes read and write bytes, so they say here what is in them."""

from typing import Any

from pydantic import TypeAdapter

from service.answers import Answer, Health, Model, Models, Problem, Unloaded
from service.problems import MEDIA_TYPE, PROBLEMS
from service.schemas import AttentionRequest, ClassifyRequest, LabelRequest, PredictRequest

EXAMPLE = "book a table for two in rome tomorrow at noon"
SAFETENSORS = "application/vnd.safetensors"
REFERENCE = "#/components/schemas/{model}"
SCHEMAS = (
    *(PredictRequest, LabelRequest, ClassifyRequest, AttentionRequest),
    *(Answer, Models, Model, Unloaded, Health, Problem),
)


def describe(
    answer: type, request: type | None = None, media: str = "application/json"
) -> dict[str, Any]:
    """Arguments for a route: what it answers, what it is sent, how it fails."""
    problem = _content(Problem, MEDIA_TYPE)
    responses: dict[int | str, Any] = {200: {"description": "Answered", **_content(answer, media)}}
    if request is None:
        return {"responses": responses | {"default": {"description": "A problem", **problem}}}
    for sort in PROBLEMS.values():
        responses.setdefault(sort.status, {"description": sort.title, **problem})
    responses[200]["content"][SAFETENSORS] = {}
    body = _content(request, media)
    body["content"][media]["example"] = {"inputs": EXAMPLE}
    return {"responses": responses, "openapi_extra": {"requestBody": body | {"required": True}}}


def add_schemas(document: dict[str, Any]) -> dict[str, Any]:
    """Put the schemas that `describe` refers to into the document."""
    _, schemas = TypeAdapter.json_schemas(
        [(kind.__name__, "validation", TypeAdapter(kind)) for kind in SCHEMAS],
        ref_template=REFERENCE,
    )
    document.setdefault("components", {})["schemas"] = schemas["$defs"]
    return document


def _content(kind: type, media: str) -> dict[str, Any]:
    schema = {"type": "string"} if kind is str else {"$ref": REFERENCE.format(model=kind.__name__)}
    return {"content": {media: {"schema": schema}}}
