"""A trained network in one safetensors file, which describes itself.

Its metadata holds the config (labels included) and the tokenizer; its tensors are the weights.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from model.config import ModelConfig
from model.errors import DataError
from model.network import Network
from model.preprocess.modalities import Preprocessor, make_preprocessor


@dataclass
class Checkpoint:
    """A network with what it takes to use it.

    Attributes:
        network: the weights, on the CPU.
        tokenizer: contents of `tokenizer.json`; empty where the modality has none.
        about: what its maker had to say: recipe, metrics on dev.
    """

    network: Network
    tokenizer: str
    about: dict[str, object]

    def preprocessor(self) -> Preprocessor:
        """The preprocessing this network was trained with."""
        config = self.network.config
        return make_preprocessor(config.preprocess, config.frontend.max_length, self.tokenizer)


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write the file; a crash leaves the old file or the new one, never half of one."""
    metadata = {
        "config": checkpoint.network.config.model_dump_json(),
        "tokenizer": checkpoint.tokenizer,
        "about": json.dumps(checkpoint.about),
    }
    tensors = {name: value.contiguous() for name, value in checkpoint.network.state_dict().items()}
    write_tensors(tensors, metadata, path)


def load(path: Path) -> Checkpoint:
    """Read a file that `save` wrote; every weight must be there, and no other.

    Raises:
        DataError: not such a file, or its weights do not fit its config.
    """
    tensors, metadata = read_tensors(path)
    try:
        network = Network(ModelConfig.model_validate_json(metadata["config"]))
        network.load_state_dict(tensors)
        checkpoint = Checkpoint(network, metadata["tokenizer"], json.loads(metadata["about"]))
    except (KeyError, ValueError, RuntimeError) as error:
        raise DataError(f"{path} is not a checkpoint of this version: {error}") from error
    network.eval()
    return checkpoint


def write_tensors(tensors: dict[str, Tensor], metadata: dict[str, str], path: Path) -> None:
    """Write a safetensors file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    save_file(tensors, partial, metadata)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def average(into: dict[str, Tensor], weights: dict[str, Tensor], decay: float) -> None:
    """Exponential moving average of the floating-point weights, in place."""
    names = [name for name, value in into.items() if value.is_floating_point()]
    torch._foreach_lerp_([into[n] for n in names], [weights[n] for n in names], 1 - decay)
