"""The JSON that /v1 and /hf are asked with."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Part(BaseModel):
    """Base of what is in a request: an unknown key is an error, and so is "3" for 3."""

    model_config = STRICT


# A union is told apart by the JSON type. Pydantic puts these tags into the locations of its errors;
# `service.parse` takes them out again.
TEXT, OBJECT, LIST = "<text>", "<object>", "<list>"
TAGS: dict[type, str] = {str: TEXT, dict: OBJECT, list: LIST}


def _either(message: str) -> Discriminator:
    return Discriminator(
        lambda value: TAGS.get(type(value)),
        custom_error_type="wrong_type",
        custom_error_message=message,
    )


class Words(Part):
    """An input whose words are given; they are labelled one for one."""

    words: Annotated[list[str], Field(min_length=1, fail_fast=True)]
    """In the order of the text."""


class Audio(Part):
    """An input that is sound."""

    audio: str
    """A WAV, FLAC or Ogg file, in base64."""


class Image(Part):
    """An input that is a picture."""

    image: str
    """A PNG or JPEG file, in base64."""


Row = Annotated[list[float], Field(fail_fast=True)]
Pair = Annotated[list[int], Field(min_length=2, max_length=2, fail_fast=True)]


class Graph(Part):
    """An input that is a graph."""

    nodes: Annotated[list[Row], Field(min_length=1, fail_fast=True)]
    """Of each node its features."""

    edges: Annotated[list[Pair], Field(fail_fast=True)] = []
    """Pairs of nodes, by index, that look at each other."""


class Vectors(Part):
    """An input that is vectors."""

    vectors: Annotated[
        Annotated[str, Tag(TEXT)]
        | Annotated[list[Row], Field(min_length=1, fail_fast=True), Tag(LIST)],
        _either("vectors are a list of lists of numbers, or a .npy file in base64"),
    ]
    """Of each position its features; or a .npy file of them, in base64."""


# Objects are told apart by the first of these that they have.
OBJECT_INPUTS: dict[str, type[Part]] = {
    "words": Words,
    "audio": Audio,
    "image": Image,
    "nodes": Graph,
    "vectors": Vectors,
}


def _tag_of_input(value: object) -> str | None:
    if isinstance(value, dict):
        return next((f"<{name}>" for name in OBJECT_INPUTS if name in value), "<words>")
    return TAGS.get(type(value))


INPUT = 'an input is text or an object: {"words": [...]}, {"audio": "..."}, ...'
Text = Annotated[str, Tag(TEXT)]
AnyObject = (
    Annotated[Words, Tag("<words>")]
    | Annotated[Audio, Tag("<audio>")]
    | Annotated[Image, Tag("<image>")]
    | Annotated[Graph, Tag("<nodes>")]
    | Annotated[Vectors, Tag("<vectors>")]
)
ObjectInput = Words | Audio | Image | Graph | Vectors
Input = Annotated[
    Text | AnyObject,
    Discriminator(_tag_of_input, custom_error_type="wrong_type", custom_error_message=INPUT),
]
Inputs = Annotated[list[Input], Field(min_length=1, fail_fast=True), Tag(LIST)]
Indices = Annotated[list[int], Field(min_length=1, max_length=100, fail_fast=True), Tag(LIST)]
All = Annotated[Literal["all"], Tag(TEXT)]
AllOrMean = Annotated[Literal["all", "mean"], Tag(TEXT)]


class Options(Part):
    """How classes and transcripts are answered."""

    top_k: int = Field(default=1, ge=1, le=1000)
    """The number of most probable classes to answer; fewer where the head has fewer."""

    threshold: float = Field(default=0.0, ge=0, le=1)
    """Leave out classes of a lower score."""

    beam_width: int = Field(default=1, ge=1, le=100)
    """Of transcripts: beginnings that are kept while the most probable one is looked for; 1: the
    most probable label of every position decides."""


class QuerySpan(Part):
    """A part of an input: two of these that go together."""

    start: int | None = Field(default=None, ge=0)
    """Where it starts, in Unicode code points."""

    end: int | None = Field(default=None, gt=0)
    """Where it ends, exclusive."""

    first_word: int | None = Field(default=None, ge=0)
    """Index of its first word, from 0."""

    last_word: int | None = Field(default=None, ge=0)
    """Index of its last word, inclusive."""

    first: int | None = Field(default=None, ge=0)
    """Index of its first position, from 0."""

    last: int | None = Field(default=None, ge=0)
    """Index of its last position, inclusive."""

    @property
    def positions(self) -> range | None:
        """Their indices, if positions were named."""
        return None if self.first is None or self.last is None else range(self.first, self.last + 1)

    @property
    def code_points(self) -> range | None:
        """Those of the text, if it is a part of one."""
        return None if self.start is None or self.end is None else range(self.start, self.end)

    @property
    def words(self) -> range | None:
        """Their indices, if words were named."""
        if self.first_word is None or self.last_word is None:
            return None
        return range(self.first_word, self.last_word + 1)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        spans = (self.code_points, self.words, self.positions)
        meant = [span for span in spans if span is not None]
        if len(self.model_fields_set) != 2 or len(meant) != 1:
            told = "say start and end, or first_word and last_word, or first and last"
            raise PydanticCustomError("span", told)
        if not meant[0]:
            raise PydanticCustomError("span", "it ends before it starts")
        return self


Layers = Annotated[All | Indices, _either('layers are "all" or a list of integers')]
AttentionHeads = Annotated[
    AllOrMean | Indices, _either('heads are "all", "mean" or a list of integers')
]
Query = Annotated[
    Annotated[Literal["all", "sequence"], Tag(TEXT)] | Annotated[QuerySpan, Tag(OBJECT)],
    _either('a query is "all", "sequence" or an object: {"start": 8, "end": 14}'),
]
Level = Literal["position", "word"]
AttentionKind = Literal["weights", "rollout", "received", "entropy"]


class AttentionOptions(Part):
    """What to answer of the attention weights."""

    layers: Layers = [-1]
    """Layers, from 0; negative: from the last."""

    heads: AttentionHeads = "all"
    """Attention heads, from 0; negative: from the last; `mean`: their mean, as one head."""

    kind: AttentionKind = "weights"
    """`weights`; `rollout`: multiplied up to the layer, the mean of all attention heads and the
    residual stream half each; `received`: how much a position is looked at, the mean over queries;
    `entropy`: of each row, in nats."""

    level: Level = "position"
    """`word`: to a split word the sum over its pieces, from it their mean."""

    special: Literal["keep", "drop"] = "keep"
    """`drop`: without [CLS] and [SEP], rows renormalised."""

    query: Query = "all"
    """Which rows: `all`, those of the position that sequence heads read (`sequence`), or those of
    what overlaps a span of the input."""

    top_k: int | None = Field(default=None, ge=1, le=8192)
    """Of each row only the largest, with their `keys`."""

    dtype: Literal["float32", "float16"] = "float32"
    """How exact the numbers are."""


class Request(Part):
    """One or many inputs for a model."""

    model: str | None = Field(default=None, max_length=100)
    """The model's name; may be left out where the default model is meant."""

    inputs: Annotated[
        Text | AnyObject | Inputs,
        Discriminator(
            _tag_of_input,
            custom_error_type="wrong_type",
            custom_error_message=f"{INPUT}, or there is a list of them",
        ),
    ]
    """One input or a list of them; an input is text, or an object of what the model takes."""


class LabelRequest(Request):
    """Ask for a label of every word."""

    attention: AttentionOptions | None = None
    """Answer attention weights too, from the same pass."""


class PredictRequest(LabelRequest):
    """Ask all heads of a model."""

    options: Options = Options()
    """How classes are answered."""


class LineRequest(PredictRequest):
    """One line of many: a request, or its input alone."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, line: object) -> object:
        if isinstance(line, str) or (
            isinstance(line, dict) and not OBJECT_INPUTS.keys().isdisjoint(line)
        ):
            return {"inputs": line}
        if not isinstance(line, dict):
            raise PydanticCustomError("wrong_type", f"a line is a request or an input; {INPUT}")
        return line


class ClassifyRequest(PredictRequest):
    """Ask for the classes of whole inputs."""


class TranscribeRequest(PredictRequest):
    """Ask for labels whose number the model decides."""


class AttentionRequest(Request):
    """Ask for attention weights alone."""

    attention: AttentionOptions = AttentionOptions()
    """By default the last layer, all its attention heads."""


Texts = Annotated[list[str], Field(min_length=1, fail_fast=True), Tag(LIST)]


class Parameters(Part):
    """What a pipeline takes; null is as if it were not there."""

    aggregation_strategy: Literal["none", "simple", "first", "average", "max"] | None = None
    """Of token-classification: how pieces become words and entities; by default `simple`."""

    ignore_labels: list[str] | None = None
    """Of token-classification: labels to leave out; by default `O`."""

    stride: int | None = Field(default=None, ge=0)
    """Of token-classification: cut a text that is too long into chunks; the pieces two share."""

    function_to_apply: Literal["softmax", "sigmoid", "none"] | None = None
    """Of text-classification: makes scores of logits; by default `softmax`."""

    top_k: int | None = Field(default=None, ge=1)
    """Of text-classification: the number of best classes to answer; by default all."""

    @property
    def given(self) -> set[str]:
        """The names of those that are there."""
        return {name for name, value in self if value is not None}


class PipelineRequest(Part):
    """One or many texts, as Hugging Face's inference API takes them."""

    inputs: Annotated[Text | Texts, _either("an input is text, or there is a list of them")]
    """One text or a list of them."""

    parameters: Parameters = Parameters()
    """What the head's task takes."""

    options: dict[str, Any] = {}
    """Taken, and of no effect."""
