"""The JSON of the Open Inference Protocol, version 2: what is asked with, what is answered."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    WithJsonSchema,
    with_config,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

# Clients add members of their own, which mean nothing here.
LOOSE = ConfigDict(extra="ignore", frozen=True, strict=True, use_attribute_docstrings=True)
DESCRIBED = ConfigDict(extra="forbid", use_attribute_docstrings=True)
SCALAR = {"type": ["string", "number", "boolean"]}


def _is_scalar(value: object) -> object:
    if isinstance(value, str | int | float):
        return value
    raise PydanticCustomError("wrong_type", "a parameter is a string, a number or a boolean")


Parameter = Annotated[Any, AfterValidator(_is_scalar), WithJsonSchema(SCALAR)]
Name = Annotated[str, Field(max_length=100)]
Parameters = dict[str, Parameter]


class InputTensor(BaseModel):
    """A tensor of a request."""

    model_config = LOOSE

    name: Name
    shape: list[Annotated[int, Field(ge=0)]]
    datatype: str
    parameters: Parameters = {}
    """`binary_data_size`: that many bytes after the JSON are the tensor, in place of `data`."""
    data: list[Any] | None = None
    """Row-major, flat or nested as `shape` says."""


class RequestedOutput(BaseModel):
    """An output to be answered."""

    model_config = LOOSE

    name: Name
    parameters: Parameters = {}
    """`binary_data`, `classification`; of `attention` also what `/v1` calls `attention`."""


class InferRequest(BaseModel):
    """Tensors for a model."""

    model_config = LOOSE

    id: str | None = None
    parameters: Parameters = {}
    """`timeout` in microseconds, `binary_data_output`; `attention.layers` and the like."""
    inputs: Annotated[list[InputTensor], Field(min_length=1)]
    outputs: list[RequestedOutput] | None = None
    """None: those that the docs call default."""


@with_config(DESCRIBED)
class OutputTensor(TypedDict):
    """A tensor of an answer."""

    name: str
    datatype: str
    shape: list[int]
    parameters: NotRequired[dict[str, int]]
    data: NotRequired[list[str] | list[float] | list[int] | list[bool]]


@with_config(DESCRIBED)
class InferResponse(TypedDict):
    """Tensors that a model gave."""

    model_name: str
    model_version: str
    id: NotRequired[str]
    outputs: list[OutputTensor]


@with_config(DESCRIBED)
class ServerMetadata(TypedDict):
    """What this server is."""

    name: str
    version: str
    extensions: list[str]


@with_config(DESCRIBED)
class ServerLive(TypedDict):
    """The process answers."""

    live: bool


@with_config(DESCRIBED)
class ServerReady(ServerLive):
    """It can be asked."""

    ready: bool


@with_config(DESCRIBED)
class ModelReady(TypedDict):
    """A model can be asked."""

    name: str
    ready: bool


@with_config(DESCRIBED)
class TensorMetadata(TypedDict):
    """What a tensor is; in its shape -1 is any size."""

    name: str
    datatype: str
    shape: list[int]


@with_config(DESCRIBED)
class ModelMetadata(TypedDict):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


@with_config(DESCRIBED)
class ConfigTensor(TypedDict):
    """A tensor, as Triton's model configuration has it."""

    name: str
    data_type: str
    dims: list[int]
    optional: NotRequired[bool]


@with_config(DESCRIBED)
class ModelConfiguration(TypedDict):
    """What perf tools read of Triton's model configuration."""

    name: str
    platform: str
    backend: str
    max_batch_size: int
    input: list[ConfigTensor]
    output: list[ConfigTensor]


@with_config(DESCRIBED)
class ModelNames(TypedDict):
    """The models that are served."""

    models: list[str]


class IndexRequest(BaseModel):
    """Which bundles to list."""

    model_config = LOOSE

    ready: bool = False
    """Only those that are served."""


class RepositoryRequest(BaseModel):
    """How to load or unload."""

    model_config = LOOSE

    parameters: Parameters = {}


@with_config(DESCRIBED)
class IndexEntry(TypedDict):
    """A bundle that there is."""

    name: str
    version: NotRequired[str]
    state: Literal["READY", "LOADING", "UNAVAILABLE"]
    reason: str


class Index(RootModel[list[IndexEntry]]):
    """The bundles that there are."""


@with_config(DESCRIBED)
class Loaded(TypedDict):
    """A model was loaded."""

    name: str
    load: Literal[True]


@with_config(DESCRIBED)
class NotServed(TypedDict):
    """A model was unloaded."""

    name: str
    unload: Literal[True]


@with_config(DESCRIBED)
class Duration(TypedDict):
    """So many, which took so long in all."""

    count: int
    ns: int


@with_config(DESCRIBED)
class InferenceStatistics(TypedDict):
    """Of requests."""

    success: Duration
    fail: Duration
    queue: Duration
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration
    cache_hit: Duration
    cache_miss: Duration


@with_config(DESCRIBED)
class BatchStatistics(TypedDict):
    """Of runs that held so many inputs."""

    batch_size: int
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration


@with_config(DESCRIBED)
class ModelStatistics(TypedDict):
    """Of one model, since the process began."""

    name: str
    version: str
    last_inference: int
    """Milliseconds since 1970; 0: none yet."""
    inference_count: int
    """Inputs."""
    execution_count: int
    """Runs."""
    inference_stats: InferenceStatistics
    batch_stats: list[BatchStatistics]


@with_config(DESCRIBED)
class Statistics(TypedDict):
    """Of the models that are served."""

    model_stats: list[ModelStatistics]


SCHEMAS = (
    *(InferRequest, IndexRequest, RepositoryRequest),
    *(InferResponse, ServerMetadata, ServerLive, ServerReady, ModelReady, ModelNames),
    *(ModelMetadata, ModelConfiguration, Index, Loaded, NotServed, Statistics),
)
