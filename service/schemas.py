"""The JSON that /v1 is asked with."""

from typing import Annotated, Literal

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


INPUT = 'an input is text or {"words": [...]}'
Text = Annotated[str, Tag(TEXT)]
GivenWords = Annotated[Words, Tag(OBJECT)]
Input = Annotated[Text | GivenWords, _either(INPUT)]
Inputs = Annotated[list[Input], Field(min_length=1, fail_fast=True), Tag(LIST)]
Indices = Annotated[list[int], Field(min_length=1, max_length=100, fail_fast=True), Tag(LIST)]
All = Annotated[Literal["all"], Tag(TEXT)]
AllOrMean = Annotated[Literal["all", "mean"], Tag(TEXT)]


class Options(Part):
    """How classes are answered."""

    top_k: int = Field(default=1, ge=1, le=1000)
    """The number of most probable classes to answer; fewer where the head has fewer."""

    threshold: float = Field(default=0.0, ge=0, le=1)
    """Leave out classes of a lower score."""


class AttentionOptions(Part):
    """Which attention weights to answer."""

    layers: Annotated[All | Indices, _either('layers are "all" or a list of integers')] = [-1]
    """Layers, from 0; negative: from the last."""

    heads: Annotated[
        AllOrMean | Indices, _either('heads are "all", "mean" or a list of integers')
    ] = "all"
    """Attention heads, from 0; negative: from the last; `mean`: their mean, as one head."""


class Request(Part):
    """One or many inputs for a model."""

    model: str | None = Field(default=None, max_length=100)
    """The model's name; may be left out where the default model is meant."""

    inputs: Annotated[Text | GivenWords | Inputs, _either(f"{INPUT}, or there is a list of them")]
    """One input or a list of them; an input is text or `{"words": [...]}`."""


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
        if isinstance(line, str) or (isinstance(line, dict) and "words" in line):
            return {"inputs": line}
        if not isinstance(line, dict):
            raise PydanticCustomError("wrong_type", f"a line is a request or an input; {INPUT}")
        return line


class ClassifyRequest(PredictRequest):
    """Ask for the classes of whole inputs."""


class AttentionRequest(Request):
    """Ask for attention weights alone."""

    attention: AttentionOptions = AttentionOptions()
    """By default the last layer, all its attention heads."""
