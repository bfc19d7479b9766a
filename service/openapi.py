"""The OpenAPI document. Routes read and write bytes, so they say here what is in them.

What is asked and answered is shown by the examples of `examples/*.json`. Each file is an object
from an operation as "POST /v1/predict", or patterns of operations ("POST /v1/*, POST /hf/*"), to
its examples.
An operation is documented with the statuses that it has examples of, and no others. What of an
example is answered is written by `python -m tests.service.examples`, and held against the service
by a test.
"""

import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, NotRequired

import orjson
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from service.answers import Answer, Health, Model, Models, PipelineAnswer, Problem, Unloaded
from service.keys import HEADER
from service.oip import schemas as oip
from service.schemas import (
    AttentionRequest,
    ClassifyRequest,
    LabelRequest,
    PipelineRequest,
    PredictRequest,
    TranscribeRequest,
)

EXAMPLE = "book a table for two in rome tomorrow at noon"
EXAMPLES = Path(__file__).parent / "examples"
REFERENCE = "#/components/schemas/{model}"
SCHEMAS = (
    *(PredictRequest, LabelRequest, ClassifyRequest, TranscribeRequest, AttentionRequest),
    *(PipelineRequest, PipelineAnswer),
    *(Answer, Models, Model, Unloaded, Health, Problem),
    *oip.SCHEMAS,
)
SAFETENSORS = "application/vnd.safetensors"
JSON = "application/json"
API_KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": f"One of REGARD_API_KEYS, where these are set; {HEADER}",
}
PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "X-Request-Timeout",
        "in": "header",
        "description": "Seconds after which an answer is of no use: then there is none, but a 504.",
        "schema": {"type": "number", "exclusiveMinimum": 0, "maximum": 3600},
    },
    {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Comes back with the answer, and stands in logs and traces; 1 to 128 "
        "visible ASCII characters; anything else is replaced.",
        "schema": {"type": "string"},
    },
]
HEADERS: dict[str, Any] = {
    "X-Request-Id": {"description": "As it was sent, or a new one.", "schema": {"type": "string"}},
    "Server-Timing": {
        "description": "Milliseconds: total, and of each stage that was reached.",
        "schema": {"type": "string"},
    },
}
RETRY_AFTER: dict[str, Any] = {
    "description": "Seconds until it is worth another try.",
    "schema": {"type": "integer"},
}
RETRIED = ("429", "503")
PROBLEM = {"$ref": REFERENCE.format(model=Problem.__name__)}


class Example(TypedDict):
    """One request and its answer. An example of a pattern sends what its operation's first sends.

    summary: what is asked, in a few words
    given: what must be so before: settings as "REGARD_MAX_INPUTS=1", or a state (see the tests)
    bundle: the one that is served, where that is not assistant
    path: what stands for the names in the path
    headers: what is sent there
    body: JSON, "<base64 of PATH>" standing for a file; or what is no JSON, as `text`
    status, type, answer: of the answer: JSON, or a string where it is text
    """

    summary: str
    given: NotRequired[str]
    bundle: NotRequired[str]
    path: NotRequired[dict[str, str]]
    headers: NotRequired[dict[str, str]]
    body: NotRequired[Any]
    text: NotRequired[str]
    status: int
    type: str
    answer: Any


REQUEST = ("given", "bundle", "path", "headers", "body", "text")


def describe(
    answer: type, request: type | None = None, media: str = JSON, binary: str | None = None
) -> dict[str, Any]:
    """Arguments for a route: what it answers with 200, also in binary, and what it is sent."""
    content = _content(answer, media)
    if binary is not None:
        content[binary] = {"schema": {"type": "string", "format": "binary"}}
    described: dict[str, Any] = {
        "responses": {200: {"description": "Answered", "content": content}}
    }
    if request is not None:
        body = {"content": _content(request, JSON), "required": True}
        described["openapi_extra"] = {"requestBody": body, "parameters": PARAMETERS}
    return described


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Put into the document the schemas that `describe` refers to, the examples and the key."""
    _, schemas = TypeAdapter.json_schemas(
        [(kind.__name__, "validation", TypeAdapter(kind)) for kind in SCHEMAS],
        ref_template=REFERENCE,
    )
    components = document.setdefault("components", {})
    components["schemas"] = schemas["$defs"]
    components.setdefault("securitySchemes", {})["api_key"] = API_KEY
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            operation.setdefault("security", [{}, {"api_key": []}])
            operation["responses"].pop("422", None)  # FastAPI's own
            for example in examples_of(f"{method.upper()} {path}"):
                _show(example, operation)
    return document


def examples_of(operation: str) -> list[Example]:
    """All examples of an operation: its own, then those of patterns."""
    read = _read()
    own = read.get(operation, [])
    patterns = [key for key in read if "*" in key and matches(operation, key)] if own else []
    return own + [_fill(example, own[0]) for key in patterns for example in read[key]]


def matches(operation: str, key: str) -> bool:
    """Whether it is one that a key means: an operation, or patterns with commas between."""
    return any(fnmatchcase(operation, pattern) for pattern in key.split(", "))


@cache
def _read() -> dict[str, list[Example]]:
    files = sorted(EXAMPLES.glob("*.json"))
    return {key: shown for file in files for key, shown in orjson.loads(file.read_bytes()).items()}


def _fill(example: Example, first: Example) -> Example:
    """With what the first sends and this one does not say."""
    filled = example.copy()
    filled["headers"] = first.get("headers", {}) | example.get("headers", {})
    if "bundle" in first:
        filled.setdefault("bundle", first["bundle"])
    if "path" in first:
        filled.setdefault("path", first["path"])
    if "body" in first and "text" not in example:
        filled.setdefault("body", first["body"])
    return filled


def _show(example: Example, operation: dict[str, Any]) -> None:
    status, answer = str(example["status"]), example["answer"]
    name = re.sub(r"\W+", "-", example["summary"].lower()).strip("-")
    shown = {"summary": example["summary"], "value": answer}
    shown["x-request"] = {key: example[key] for key in REQUEST if example.get(key)}  # type: ignore[literal-required]
    if status == "200":
        response = operation["responses"][status]
        content = response["content"].setdefault(example["type"], {"schema": {"type": "string"}})
        if sent := example.get("body", example.get("text")):
            media = example.get("headers", {}).get("Content-Type", JSON)
            bodies = operation["requestBody"]["content"].setdefault(
                media, {"schema": {"type": "string"}}
            )
            told = {"summary": example["summary"], "value": sent}
            bodies.setdefault("examples", {})[name] = told
    else:
        response = operation["responses"].setdefault(status, {"description": "", "content": {}})
        titles = [*filter(None, response["description"].split("; "))]
        if answer["title"] not in titles:
            response["description"] = "; ".join([*titles, answer["title"]])
        content = response["content"].setdefault(example["type"], {"schema": PROBLEM})
    response["headers"] = HEADERS | ({"Retry-After": RETRY_AFTER} if status in RETRIED else {})
    content.setdefault("examples", {})[name] = shown


def _content(kind: type, media: str) -> dict[str, Any]:
    schema = {"type": "string"} if kind is str else {"$ref": REFERENCE.format(model=kind.__name__)}
    return {media: {"schema": schema}}
