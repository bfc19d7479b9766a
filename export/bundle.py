"""The bundle: a folder that holds all that serving one model needs, and nothing that can run.

manifest.json           what is in it (`Manifest`)
model.<precision>.onnx  one graph a precision; all heads and all attention in one pass
tokenizer.json          for text
README.md               the model card
"""

import hashlib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model.config import DataConfig, HeadConfig
from model.errors import explain

MANIFEST = "manifest.json"
Precision = Literal["fp32", "fp16", "int8"]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class BundleError(ValueError):
    """A bundle cannot be used; the message says which file, what was found, what was expected."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tensor(_Part):
    """An input or output of the graph; an axis is a name (any size) or a number."""

    name: str
    dtype: Literal["int64", "bool", "float32"]
    axes: tuple[str | int, ...]


class File(_Part):
    """What a file of the bundle must be."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Graph(_Part):
    """One precision of the model and what was measured when it was exported."""

    file: FileName
    parity: float = Field(description="largest difference of a logit or a weight from torch, fp32")
    dev: dict[str, float] = Field(description="metrics on the dev split")


class AttentionInfo(_Part):
    """The graph's outputs `attention.<layer>`, each (batch, heads, query, key)."""

    layers: int = Field(gt=0)
    heads: int = Field(gt=0)


class Manifest(_Part):
    """All about a bundle but the weights."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str
    license: str
    modality: Literal["text"] = "text"
    heads: tuple[HeadConfig, ...] = Field(min_length=1)
    attention: AttentionInfo
    max_length: int = Field(gt=0, description="positions of one input, special ones included")
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    graphs: dict[Precision, Graph] = Field(min_length=1)
    files: dict[FileName, File]
    data: DataConfig = Field(description="what it was trained and measured on")
    test: dict[str, float] = Field(default={}, description="metrics on the test split, as served")
    tools: dict[str, str] = Field(description="versions of what made it")

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        missing = {graph.file for graph in self.graphs.values()} - set(self.files)
        if missing:
            raise ValueError(f"files has no entry for {sorted(missing)}")
        outputs = [tensor.name for tensor in self.outputs]
        expected = [head.name for head in self.heads] + attention_names(self.attention.layers)
        if outputs != expected:
            raise ValueError(f"outputs are {outputs}; heads and attention ask for {expected}")
        return self


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

    Raises:
        BundleError: no manifest, or it is not one.
    """
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise BundleError(f"{path} is not a manifest: {explain(error)}") from error


def read_file(manifest: Manifest, folder: Path, name: str) -> bytes:
    """The contents of one file, checked against its hash.

    Raises:
        BundleError: the manifest does not list it, it is missing, or it was changed.
    """
    expected = manifest.files.get(name)
    if expected is None:
        raise BundleError(f"{folder}: the manifest lists no file {name}")
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected.sha256:
        raise BundleError(f"{path} has sha256 {found}; the manifest says {expected.sha256}")
    return content
