"""The JSON that /v1 answers with: typed dictionaries, which cost nothing to make."""

from typing import Literal, NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from service.errors import Fault
from service.schemas import AttentionKind

HeadKind = Literal["token", "sequence"]
DESCRIBED = ConfigDict(extra="forbid", use_attribute_docstrings=True)


@with_config(DESCRIBED)
class Label(TypedDict):
    """A word's label."""

    text: str
    start: NotRequired[int]
    """Where the word starts in the given text, in Unicode code points."""
    end: NotRequired[int]
    """Where it ends, exclusive."""
    word: NotRequired[int]
    """Where words were given: the word's index, from 0."""
    label: str
    score: float
    """Its probability."""


@with_config(DESCRIBED)
class Span(TypedDict):
    """Neighbouring words that share a label."""

    text: str
    start: NotRequired[int]
    """Where the span starts in the given text, in Unicode code points."""
    end: NotRequired[int]
    """Where it ends, exclusive."""
    first_word: NotRequired[int]
    """Where words were given: the index of the first, from 0."""
    last_word: NotRequired[int]
    """The index of the last word, inclusive."""
    label: str
    score: float
    """The mean of its words' scores."""


@with_config(DESCRIBED)
class Class(TypedDict):
    """A class of the whole input."""

    label: str
    score: float


@with_config(DESCRIBED)
class Position(TypedDict):
    """A row and a column of the attention weights."""

    text: str
    special: NotRequired[Literal[True]]
    """It stands for no part of the input."""
    word: NotRequired[int]
    """Index of the word that it is, or is a piece of: into `labels`."""
    start: NotRequired[int]
    """Where it starts, in Unicode code points: in the given text or, where words were given, in the
    word."""
    end: NotRequired[int]
    """Where it ends, exclusive."""


@with_config(DESCRIBED)
class Attention(TypedDict):
    """Who looks at whom. Layers and heads are in the order asked for; a mean is a single head."""

    kind: AttentionKind
    positions: list[Position]
    """Or words, or both kinds of special ones, as asked for: the rows and the columns."""
    layers: list[int]
    heads: list[int] | Literal["mean"]
    query: NotRequired[list[int]]
    """Where not all were asked for: the rows, as indices into `positions`."""
    weights: NotRequired[list[list[list[list[float]]]]]
    """[layer][head][query][key]: a row is the position that looks, a column the one looked at; rows
    sum to 1. With `top_k`, [layer][head][query][k], the largest first."""
    keys: NotRequired[list[list[list[list[int]]]]]
    """With `top_k`: who is looked at, as indices into `positions`, for each of `weights`."""
    received: NotRequired[list[list[list[float]]]]
    """[layer][head][key]: the mean over the rows of the weight that a position gets."""
    entropy: NotRequired[list[list[list[float]]]]
    """[layer][head][query]: of each row, in nats."""


@with_config(DESCRIBED)
class Result(TypedDict):
    """The answer to one input. In `labels`, `spans` and `classes` there is a key for each head."""

    labels: NotRequired[dict[str, list[Label]]]
    spans: NotRequired[dict[str, list[Span]]]
    classes: NotRequired[dict[str, list[Class]]]
    attention: NotRequired[Attention]


@with_config(DESCRIBED)
class Usage(TypedDict):
    """What was computed."""

    positions: int
    """Over all inputs, special positions included."""


@with_config(DESCRIBED)
class Answer(TypedDict):
    """The answer to a request."""

    model: str
    version: str
    usage: Usage
    results: list[Result]
    """In the order of the inputs."""


@with_config(DESCRIBED)
class Head(TypedDict):
    """What a model answers."""

    name: str
    kind: HeadKind
    """token: one label a word; sequence: classes of the whole input."""
    labels: list[str]


@with_config(DESCRIBED)
class AttentionSize(TypedDict):
    """The attention weights a model can answer."""

    layers: int
    heads: int


@with_config(DESCRIBED)
class Limits(TypedDict):
    """What one request may hold."""

    positions_per_input: int
    """Special positions included."""
    positions_per_request: int
    characters_per_input: int
    inputs: int
    body_bytes: int
    attention_floats: int
    """Numbers of attention in one answer."""


@with_config(DESCRIBED)
class Data(TypedDict):
    """What a model was trained and measured on."""

    name: str
    license: str
    url: str


@with_config(DESCRIBED)
class Model(TypedDict):
    """A model that is served."""

    name: str
    version: str
    description: str
    license: str
    modality: Literal["text"]
    default: bool
    """It answers requests that name no model."""
    refused: NotRequired[str]
    """Why a newer bundle of this name is not served in its place."""
    heads: list[Head]
    attention: AttentionSize
    limits: Limits
    examples: list[str]
    """Inputs to try it with."""
    precision: str
    """The precision that is served."""
    dev: dict[str, dict[str, float]]
    """Metrics on the dev split, for each precision of the bundle."""
    test: dict[str, float]
    """Metrics on the test split, as served."""
    data: Data


@with_config(DESCRIBED)
class Models(TypedDict):
    """All models that are served."""

    models: list[Model]


@with_config(DESCRIBED)
class Unloaded(TypedDict):
    """A model that is served no more."""

    unloaded: str
    """Its name."""


@with_config(DESCRIBED)
class Health(TypedDict):
    """The state of the service."""

    status: Literal["live", "started", "ready"]


@with_config(DESCRIBED)
class Problem(TypedDict):
    """What went wrong (RFC 9457)."""

    type: str
    """Stable name of this sort of problem."""
    title: str
    status: int
    detail: str
    """What, where, and what is allowed."""
    errors: NotRequired[list[Fault]]
    """Each thing that is wrong with the request; at most 10."""
    error: NotRequired[str]
    """`detail` again, where clients of other protocols look for it."""
