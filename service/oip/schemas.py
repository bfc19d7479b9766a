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
    """One of the inputs that the model's metadata lists."""
    shape: list[Annotated[int, Field(ge=0)]]
    """Of the tensor; for BYTES of its elements."""
    datatype: str
    """BYTES, BOOL, INT32 and so on."""
    parameters: Parameters = {}
    """`binary_data_size`: that many bytes after the JSON are the tensor, in place of `data`."""
    data: list[Any] | None = None
    """Row-major, flat or nested as `shape` says."""


class RequestedOutput(BaseModel):
    """An output to be answered."""

    model_config = LOOSE

    name: Name
    """One of the outputs that the model's metadata lists."""
    parameters: Parameters = {}
    """`binary_data`, `classification`; of `attention` also what `/v1` calls `attention`."""


class InferRequest(BaseModel):
    """Tensors for a model."""

    model_config = LOOSE

    id: str | None = None
    """Comes back with the answer."""
    parameters: Parameters = {}
    """`timeout` in microseconds, `binary_data_output`; `attention.layers` and the like."""
    inputs: Annotated[list[InputTensor], Field(min_length=1)]
    """Those of one way to ask: text, words or token ids."""
    outputs: list[RequestedOutput] | None = None
    """None: those that the docs call default."""


@with_config(DESCRIBED)
class OutputTensor(TypedDict):
    """A tensor of an answer."""

    name: str
    """As it was asked for."""
    datatype: str
    """BYTES, FP32, INT32 and so on."""
    shape: list[int]
    """Of the tensor."""
    parameters: NotRequired[dict[str, int]]
    """`binary_data_size`: that many bytes after the JSON are the tensor, in place of `data`."""
    data: NotRequired[list[str] | list[float] | list[int] | list[bool]]
    """Flat, row-major."""


@with_config(DESCRIBED)
class InferResponse(TypedDict):
    """Tensors that a model gave."""

    model_name: str
    """Whose answer it is."""
    model_version: str
    """Of that model."""
    id: NotRequired[str]
    """That of the request, if it has one."""
    outputs: list[OutputTensor]
    """In the order asked for."""


@with_config(DESCRIBED)
class ServerMetadata(TypedDict):
    """What this server is."""

    name: str
    """Always regard."""
    version: str
    """Of the API."""
    extensions: list[str]
    """Of the protocol."""


@with_config(DESCRIBED)
class ServerLive(TypedDict):
    """The process answers."""

    live: bool
    """Always true."""


@with_config(DESCRIBED)
class ServerReady(TypedDict):
    """It can be asked."""

    live: bool
    """Always true."""
    ready: bool
    """Always true; else there is a problem."""


@with_config(DESCRIBED)
class ModelReady(TypedDict):
    """A model can be asked."""

    name: str
    """Of the model."""
    ready: bool
    """Always true; else there is a problem."""


@with_config(DESCRIBED)
class TensorMetadata(TypedDict):
    """What a tensor is; in its shape -1 is any size."""

    name: str
    """Of the tensor."""
    datatype: str
    """BYTES, FP32, INT32 and so on."""
    shape: list[int]
    """-1: any size."""


@with_config(DESCRIBED)
class ModelMetadata(TypedDict):
    """What a model takes and gives."""

    name: str
    """Of the model."""
    versions: list[str]
    """The one that is served."""
    platform: str
    """What runs it."""
    inputs: list[TensorMetadata]
    """Of all ways to ask; a request has those of one."""
    outputs: list[TensorMetadata]
    """Of all ways to ask."""


@with_config(DESCRIBED)
class ConfigTensor(TypedDict):
    """A tensor, as Triton's model configuration has it."""

    name: str
    """Of the tensor."""
    data_type: str
    """TYPE_STRING, TYPE_FP32 and so on."""
    dims: list[int]
    """-1: any size."""
    optional: NotRequired[bool]
    """A request may leave it out."""


@with_config(DESCRIBED)
class ModelConfiguration(TypedDict):
    """What perf tools read of Triton's model configuration."""

    name: str
    """Of the model."""
    platform: str
    """What runs it."""
    backend: str
    """What runs it."""
    max_batch_size: int
    """Always 0: the axis of inputs is in the shapes."""
    input: list[ConfigTensor]
    """Of all ways to ask."""
    output: list[ConfigTensor]
    """Of all ways to ask."""


@with_config(DESCRIBED)
class ModelNames(TypedDict):
    """The models that are served."""

    models: list[str]
    """In alphabetical order."""


class IndexRequest(BaseModel):
    """Which bundles to list."""

    model_config = LOOSE

    ready: bool = False
    """Only those that are served."""


class RepositoryRequest(BaseModel):
    """How to load or unload."""

    model_config = LOOSE

    parameters: Parameters = {}
    """None is supported to load; to unload they are ignored."""


@with_config(DESCRIBED)
class IndexEntry(TypedDict):
    """A bundle that there is."""

    name: str
    """Of the bundle."""
    version: NotRequired[str]
    """Of what is served."""
    state: Literal["READY", "LOADING", "UNAVAILABLE"]
    """READY: it is served."""
    reason: str
    """Why it is not, if it is not."""


class Index(RootModel[list[IndexEntry]]):
    """The bundles that there are."""


@with_config(DESCRIBED)
class Loaded(TypedDict):
    """A model was loaded."""

    name: str
    """Of the model."""
    load: Literal[True]
    """Always true."""


@with_config(DESCRIBED)
class NotServed(TypedDict):
    """A model was unloaded."""

    name: str
    """Of the model."""
    unload: Literal[True]
    """Always true."""


@with_config(DESCRIBED)
class Duration(TypedDict):
    """So many, which took so long in all."""

    count: int
    """How many."""
    ns: int
    """Nanoseconds, in all."""


@with_config(DESCRIBED)
class InferenceStatistics(TypedDict):
    """Of requests."""

    success: Duration
    """Answered."""
    fail: Duration
    """Refused or failed, once the model was known."""
    queue: Duration
    """Waiting."""
    compute_input: Duration
    """Reading and encoding."""
    compute_infer: Duration
    """Running the model."""
    compute_output: Duration
    """Decoding and writing."""
    cache_hit: Duration
    """Always 0: there is no cache."""
    cache_miss: Duration
    """Always 0."""


@with_config(DESCRIBED)
class BatchStatistics(TypedDict):
    """Of runs that held so many inputs."""

    batch_size: int
    """Inputs in a run."""
    compute_input: Duration
    """Always 0: it is no part of a run."""
    compute_infer: Duration
    """The runs."""
    compute_output: Duration
    """Always 0."""


@with_config(DESCRIBED)
class ModelStatistics(TypedDict):
    """Of one model, since the process began."""

    name: str
    """Of the model."""
    version: str
    """Of the model."""
    last_inference: int
    """Milliseconds since 1970; 0: none yet."""
    inference_count: int
    """Inputs."""
    execution_count: int
    """Runs."""
    inference_stats: InferenceStatistics
    """Of its requests."""
    batch_stats: list[BatchStatistics]
    """Of its runs, by size."""


@with_config(DESCRIBED)
class Statistics(TypedDict):
    """Of the models that are served."""

    model_stats: list[ModelStatistics]
    """A model each."""


SCHEMAS = (
    *(InferRequest, IndexRequest, RepositoryRequest),
    *(InferResponse, ServerMetadata, ServerLive, ServerReady, ModelReady, ModelNames),
    *(ModelMetadata, ModelConfiguration, Index, Loaded, NotServed, Statistics),
)
