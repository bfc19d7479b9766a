"""The whole network: frontend, encoder, heads."""

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from model.config import ModelConfig
from model.encoder import Encoder
from model.frontends import make_frontend
from model.heads import HEADS


class Output(NamedTuple):
    """logits: one tensor a head; hidden: (batch, length, d_model); weights: one tensor a layer."""

    logits: dict[str, Tensor]
    hidden: Tensor
    weights: list[Tensor]


class Network(nn.Module):
    """Several heads on one encoder, answered in one pass."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        inputs = {array.name for array in config.preprocess.inputs}
        for head in config.heads:
            if hasattr(nn.ModuleDict, head.name) or head.name in inputs:
                raise ValueError(f"a head cannot be named {head.name!r}: the name is taken")
        self.config = config
        self.frontend = make_frontend(config)
        self.encoder = Encoder(config.encoder)
        self.heads = nn.ModuleDict(
            {head.name: HEADS[head.kind](head, config.encoder) for head in config.heads}
        )

    def forward(self, arrays: Mapping[str, Tensor]) -> Output:
        """The arrays that `config.preprocess.inputs` names -> Output."""
        valid = arrays["valid"]
        hidden = self.frontend(arrays)
        hidden, weights = self.encoder(hidden, valid, arrays.get("edges"))
        logits = {name: head(hidden, valid) for name, head in self.heads.items()}
        return Output(logits, hidden, weights)
