"""The bundle: a folder that holds all that serving one model needs, and nothing that can run.

manifest.json           what is in it (`Manifest`)
model.<precision>.onnx  one graph a precision; all heads and all attention in one pass
tokenizer.json          for text
README.md               the model card
"""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Container, Iterable
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model.config import EDGES, DataConfig, HeadConfig, PreprocessConfig
from model.errors import explain

SCHEMA = 2  # of the manifests that are written
MANIFEST, TOKENIZER = "manifest.json", "tokenizer.json"
MANIFEST_BYTES = 4 * 2**20
TOKENIZER_BYTES = 64 * 2**20
GRAPH_BYTES = 2**31 - 1  # what one protobuf message may have
MAX_POSITIONS = 1_048_576  # of one input
MAX_FULL_POSITIONS = 8_192  # where all look at all: each attention head then takes 268 MB
NAME = re.compile("[a-z0-9][a-z0-9._-]*")
Precision = Literal["fp32", "fp16", "int8"]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class BundleError(ValueError):
    """A bundle cannot be used; the message says which file, what was found, what was expected.

    It is one line of at most 1,000 printable characters, whatever the bundle's names hold.
    """

    def __init__(self, message: str):
        printable = "".join(c if c.isprintable() else " " for c in message)
        super().__init__(" ".join(printable.split())[:1_000])


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Tensor(_Part):
    """An input or output of the graph; an axis is a name (any size) or a number."""

    name: str
    dtype: Literal["int64", "bool", "float32"]
    axes: tuple[str | int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype}({', '.join(map(str, self.axes))})"


class File(_Part):
    """What a file of the bundle must be."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0, le=GRAPH_BYTES)


class Graph(_Part):
    """One precision of the model and what was measured when it was exported."""

    file: FileName
    parity: float = Field(description="largest difference of a logit or a weight from torch, fp32")
    dev: dict[str, float] = Field(description="metrics on the dev split")


class AttentionInfo(_Part):
    """The graph's outputs `attention.<layer>`.

    Each is (batch, heads, query, key); with a window (batch, heads, query, 2 window + 1); along
    edges (batch, heads, edges).
    """

    layers: int = Field(gt=0, le=1_000)
    heads: int = Field(gt=0, le=1_000)
    window: int | None = Field(default=None, gt=0, le=4_096)


class Manifest(_Part):
    """All about a bundle but the weights."""

    schema_version: Literal[2] = 2
    name: str = Field(pattern=f"^{NAME.pattern}$")
    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str
    license: str
    preprocess: PreprocessConfig
    heads: tuple[HeadConfig, ...] = Field(min_length=1)
    attention: AttentionInfo
    max_length: int = Field(
        ge=1, le=MAX_POSITIONS, description="positions of one input, special ones included"
    )
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    graphs: dict[Precision, Graph] = Field(min_length=1)
    files: dict[FileName, File]
    data: DataConfig = Field(description="what it was trained and measured on")
    examples: tuple[str, ...] = Field(
        default=(), max_length=20, description="inputs to try it with"
    )
    test: dict[str, float] = Field(default={}, description="metrics on the test split, as served")
    tools: dict[str, str] = Field(description="versions of what made it")

    @model_validator(mode="before")
    @classmethod
    def _read_older(cls, data: Any) -> Any:
        """Schema 1 knew text alone."""
        if isinstance(data, dict) and data.get("schema_version") == 1:
            older = {key: value for key, value in data.items() if key != "modality"}
            preprocess = {"modality": data.get("modality", "text")}
            return {**older, "schema_version": 2, "preprocess": preprocess}
        return data

    @model_validator(mode="after")
    def _length_fits(self) -> Self:
        full = self.attention.window is None and EDGES not in self.preprocess.inputs
        if full and self.max_length > MAX_FULL_POSITIONS:
            raise ValueError(
                f"max_length is {self.max_length}; without a window at most {MAX_FULL_POSITIONS}"
            )
        return self

    @model_validator(mode="after")
    def _files_are_listed(self) -> Self:
        missing = {graph.file for graph in self.graphs.values()} - set(self.files)
        if missing:
            raise ValueError(f"files has no entry for {sorted(missing)}")
        tokenizer = self.files.get(TOKENIZER)
        if tokenizer and tokenizer.bytes > TOKENIZER_BYTES:
            raise ValueError(
                f"{TOKENIZER} has {tokenizer.bytes} bytes, more than {TOKENIZER_BYTES}"
            )
        return self

    @model_validator(mode="after")
    def _tensors_fit(self) -> Self:
        for sort, found, wanted in (
            ("input", self.inputs, inputs_of(self.preprocess)),
            ("output", self.outputs, outputs_of(self.heads, self.attention, self.preprocess)),
        ):
            for place, (ours, theirs) in enumerate(zip_longest(found, wanted)):
                if ours != theirs:
                    raise ValueError(f"{sort} {place} is {ours}; the rest asks for {theirs}")
        return self


def inputs_of(preprocess: PreprocessConfig) -> tuple[Tensor, ...]:
    """What a graph takes."""
    return tuple(Tensor(**array._asdict()) for array in preprocess.inputs)


def outputs_of(
    heads: Iterable[HeadConfig], attention: AttentionInfo, preprocess: PreprocessConfig
) -> tuple[Tensor, ...]:
    """What a graph gives: logits of every head, then the attention weights of every layer."""
    if EDGES in preprocess.inputs:
        seen: tuple[str | int, ...] = ("edges",)
    else:
        seen = ("length", "length" if attention.window is None else 2 * attention.window + 1)
    return (
        *(
            Tensor(name=head.name, dtype="float32", axes=("batch", *_axes_of(head)))
            for head in heads
        ),
        *(
            Tensor(name=name, dtype="float32", axes=("batch", attention.heads, *seen))
            for name in attention_names(attention.layers)
        ),
    )


def _axes_of(head: HeadConfig) -> tuple[str | int, ...]:
    if head.kind == "value":
        return ()
    labels = len(head.labels)
    return (labels,) if head.kind == "sequence" else ("length", labels)


def attention_names(layers: int) -> list[str]:
    """The names of the graph's attention outputs."""
    return [f"attention.{layer}" for layer in range(layers)]


def describe_file(path: Path) -> File:
    """Hash and size of a file."""
    content = path.read_bytes()
    return File(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write `folder`/manifest.json."""
    text = manifest.model_dump_json(indent=1) + "\n"
    (folder / MANIFEST).write_text(text, "utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Read and check `folder`/manifest.json; the other files are read by `read_file`.

    The one place that may know other schemas: what it gives is always of this one.

    Raises:
        BundleError: no manifest, or it is not one, or of a schema that came later than this.
    """
    path = folder / MANIFEST
    content = _read(path, range(MANIFEST_BYTES + 1), f"at most {MANIFEST_BYTES} are read")
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        if (newer := _schema(error)) > SCHEMA:
            message = f"{path} is of schema {newer}; this Regard reads schema {SCHEMA}"
            raise BundleError(f"{message}: upgrade Regard") from error
        raise BundleError(f"{path} is not a manifest: {explain(error)}") from error


def _schema(error: ValidationError) -> int:
    """The schema of a manifest that was refused: this one, unless that was among the reasons."""
    wrong = (part["input"] for part in error.errors() if part["loc"] == ("schema_version",))
    found = next(wrong, SCHEMA)
    return found if isinstance(found, int) else SCHEMA


def read_file(manifest: Manifest, folder: Path, name: str) -> bytes:
    """The contents of one file, checked against its size and its hash.

    Raises:
        BundleError: the manifest does not list it, it is missing, or it was changed.
    """
    expected = manifest.files.get(name)
    if expected is None:
        raise BundleError(f"{folder}: the manifest lists no file {name}")
    path = folder / name
    content = _read(path, [expected.bytes], f"the manifest says {expected.bytes}")
    found = hashlib.sha256(content).hexdigest()
    if found != expected.sha256:
        raise BundleError(f"{path} has sha256 {found}; the manifest says {expected.sha256}")
    return content


def _read(path: Path, sizes: Container[int], said: str) -> bytes:
    """Read a regular file of one of these sizes; no link is followed, no pipe waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise BundleError(f"{path} is not a regular file")
            if status.st_size not in sizes:
                raise BundleError(f"{path} has {status.st_size} bytes; {said}")
            with open(descriptor, "rb", closefd=False) as file:
                return file.read(status.st_size)
        finally:
            os.close(descriptor)
    except OSError as error:
        reason = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
        raise BundleError(f"{path} cannot be read: {reason}") from error
