"""The JSON that /v1 answers with: typed dictionaries, which cost nothing to make."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, RootModel, with_config
from typing_extensions import TypedDict

from model.config import HeadKind
from service.errors import Fault
from service.schemas import AttentionKind

DESCRIBED = ConfigDict(extra="forbid", use_attribute_docstrings=True)


@with_config(DESCRIBED)
class Place(TypedDict):
    """Where something is in an input; which of these there are depends on the modality."""

    start: NotRequired[
        Annotated[
            int,
            Field(
                description="Of text: where it starts, in Unicode code points; of a word, in it."
            ),
        ]
    ]
    end: NotRequired[Annotated[int, Field(description="Where it ends, exclusive.")]]
    start_s: NotRequired[
        Annotated[float, Field(description="Of sound: where it starts, in seconds.")]
    ]
    end_s: NotRequired[Annotated[float, Field(description="Where it ends.")]]
    row: NotRequired[
        Annotated[int, Field(description="Of an image: the row of the patch, from 0.")]
    ]
    column: NotRequired[Annotated[int, Field(description="Its column.")]]
    node: NotRequired[Annotated[int, Field(description="Of a graph: the node, as in the request.")]]
    position: NotRequired[Annotated[int, Field(description="Of vectors: the index.")]]


@with_config(DESCRIBED)
class Label(Place):
    """The label of a word or, where there are no words, of a position."""

    text: NotRequired[str]
    """The word, as it was given."""
    word: NotRequired[int]
    """Where words were given: the word's index, from 0."""
    label: str
    """One of the head's labels."""
    score: float
    """Its probability."""


@with_config(DESCRIBED)
class Span(TypedDict):
    """Neighbouring words that share a label."""

    text: str
    """What it covers of the given text; of given words, these with a space between."""
    start: NotRequired[int]
    """Where the span starts in the given text, in Unicode code points."""
    end: NotRequired[int]
    """Where it ends, exclusive."""
    first_word: NotRequired[int]
    """Where words were given: the index of the first, from 0."""
    last_word: NotRequired[int]
    """The index of the last word, inclusive."""
    label: str
    """That of its words, without B- and I-."""
    score: float
    """The mean of its words' scores."""


@with_config(DESCRIBED)
class Class(TypedDict):
    """A class of the whole input."""

    label: str
    """One of the head's labels."""
    score: float
    """Its probability."""


@with_config(DESCRIBED)
class TranscriptLabel(Place):
    """One label of a transcript, and where it is from."""

    label: str
    """One of the head's labels."""


@with_config(DESCRIBED)
class Transcript(TypedDict):
    """Labels whose number the model decided."""

    text: str
    """The labels, with a space between."""
    score: float
    """The probability of these labels, over all the ways to say them."""
    labels: list[TranscriptLabel]
    """In order."""


@with_config(DESCRIBED)
class Entity(TypedDict):
    """What a token-classification pipeline finds."""

    entity: NotRequired[str]
    """A piece's label; with the strategy `none` alone."""
    entity_group: NotRequired[str]
    """What its pieces' labels have in common: city, of B-city and I-city."""
    score: float
    """Of its pieces or words, the mean probability."""
    index: NotRequired[int]
    """The piece's position; with the strategy `none` alone."""
    word: str
    """As the tokenizer writes it."""
    start: int
    """Where it starts in the given text, in Unicode code points."""
    end: int
    """Where it ends, exclusive."""


class PipelineAnswer(RootModel[list[Entity] | list[list[Entity]] | list[list[Class]]]):
    """Entities of one text, or of each; classes of each text."""


@with_config(DESCRIBED)
class Position(Place):
    """A row and a column of the attention weights."""

    text: NotRequired[str]
    """Of text: the piece of the input, or the name of the special position."""
    special: NotRequired[Literal[True]]
    """It stands for no part of the input."""
    word: NotRequired[int]
    """Index of the word that it is, or is a piece of: into `labels`."""


@with_config(DESCRIBED)
class Attention(TypedDict):
    """Who looks at whom. Layers and heads are in the order asked for; a mean is a single head."""

    kind: AttentionKind
    """What the numbers are."""
    positions: list[Position]
    """The rows and the columns, in their order: positions or words, as asked for."""
    layers: list[int]
    """Counted from 0, in the order asked for."""
    heads: list[int] | Literal["mean"]
    """Counted from 0, in the order asked for; or their mean."""
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
    """The answer to one input."""

    labels: NotRequired[dict[str, list[Label]]]
    """By the name of the token head: a label for each word or position, in their order."""
    spans: NotRequired[dict[str, list[Span]]]
    """By the name of the token head, where its labels are of the BIO kind."""
    classes: NotRequired[dict[str, list[Class]]]
    """By the name of the sequence head: the most probable first."""
    values: NotRequired[dict[str, float]]
    """By the name of the value head: the number."""
    transcripts: NotRequired[dict[str, Transcript]]
    """By the name of the ctc head."""
    attention: NotRequired[Attention]
    """Where it was asked for."""


@with_config(DESCRIBED)
class Usage(TypedDict):
    """What was computed."""

    positions: int
    """Over all inputs, special positions included."""


@with_config(DESCRIBED)
class Answer(TypedDict):
    """The answer to a request."""

    model: str
    """The name of the model that answered."""
    version: str
    """The version of its bundle."""
    usage: Usage
    """What it took."""
    results: list[Result]
    """In the order of the inputs."""


@with_config(DESCRIBED)
class Head(TypedDict):
    """What a model answers."""

    name: str
    """Its key in an answer."""
    kind: HeadKind
    """token: a label for each word or position; sequence: classes of the whole input; value: a
    number for it; ctc: labels whose number the model decides."""
    labels: list[str]
    """All that it may answer."""


@with_config(DESCRIBED)
class AttentionSize(TypedDict):
    """The attention weights a model can answer."""

    layers: int
    """The number of layers."""
    heads: int
    """The number of attention heads of each."""


@with_config(DESCRIBED)
class Limits(TypedDict):
    """What one request may hold."""

    positions_per_input: int
    """Special positions included."""
    positions_per_request: int
    """Over all its inputs."""
    characters_per_input: int
    """Unicode code points; of given words, their sum."""
    inputs: int
    """In one request."""
    body_bytes: int
    """Of the body, or of one line where there are many."""
    attention_floats: int
    """Numbers of attention in one answer."""


@with_config(DESCRIBED)
class Data(TypedDict):
    """What a model was trained and measured on."""

    name: str
    """Of the data set."""
    license: str
    """Its SPDX name."""
    url: str
    """Where it is from."""


@with_config(DESCRIBED)
class Model(TypedDict):
    """A model that is served."""

    name: str
    """As requests name it."""
    version: str
    """Of its bundle."""
    description: str
    """What it is for."""
    license: str
    """Its SPDX name."""
    modality: str
    """What its inputs are."""
    preprocess: dict[str, Any]
    """What becomes of them, by the modality: a sound's samples a second, an image's rows and
    columns, the features of a vector or a node, and so on."""
    default: bool
    """It answers requests that name no model."""
    refused: NotRequired[str]
    """Why a newer bundle of this name is not served in its place."""
    heads: list[Head]
    """What it answers."""
    attention: AttentionSize
    """What can be asked for of its attention weights."""
    limits: Limits
    """What one request may hold."""
    examples: list[str]
    """Inputs to try it with."""
    device: str
    """What it runs on: cpu or cuda."""
    precision: str
    """The precision that is served."""
    dev: dict[str, dict[str, float]]
    """Metrics on the dev split, for each precision of the bundle."""
    test: dict[str, float]
    """Metrics on the test split, as served."""
    data: Data
    """What it was trained and measured on."""


@with_config(DESCRIBED)
class Models(TypedDict):
    """All models that are served."""

    models: list[Model]
    """By name."""


@with_config(DESCRIBED)
class Unloaded(TypedDict):
    """A model that is served no more."""

    unloaded: str
    """Its name."""


@with_config(DESCRIBED)
class Health(TypedDict):
    """The state of the service."""

    status: Literal["live", "started", "ready"]
    """That it is what was asked for."""


@with_config(DESCRIBED)
class Problem(TypedDict):
    """What went wrong (RFC 9457)."""

    type: str
    """Stable name of this sort of problem."""
    title: str
    """The same for all of this sort."""
    status: int
    """Of HTTP."""
    detail: str
    """What, where, and what is allowed."""
    errors: NotRequired[list[Fault]]
    """Each thing that is wrong with the request; at most 10."""
    line: NotRequired[int]
    """Where many lines were sent: which, from 1."""
    error: NotRequired[str]
    """`detail` again, where clients of other protocols look for it."""
