"""The whole network: frontend, encoder, heads."""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from model.config import ModelConfig
from model.encoder import Encoder
from model.frontends import make_frontend
from model.heads import HEADS


class Output(NamedTuple):
    """What a network makes of its inputs.

    logits: one tensor a head; hidden: (batch, length, d_model); weights: one tensor a layer;
    early: the logits of heads with feedback at their earlier layers, by the head's name.
    """

    logits: dict[str, Tensor]
    hidden: Tensor
    weights: list[Tensor]
    early: dict[str, list[Tensor]]


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
        early: dict[str, list[Tensor]] = {name: [] for name in self.heads}

        def feed_back(layer: int, hidden: Tensor) -> Tensor:
            updates = []
            for head in self.config.heads:
                if layer in head.feedback:
                    logits = self.heads[head.name](hidden, valid)
                    early[head.name].append(logits)
                    updates.append(self.heads[head.name].feedback(logits.softmax(-1)))
            return sum(updates)

        layers = {layer for head in self.config.heads for layer in head.feedback}
        hidden, weights = self.encoder(
            self.frontend(arrays),
            valid,
            arrays.get("edges"),
            {layer: partial(feed_back, layer) for layer in layers},
        )
        logits = {name: head(hidden, valid) for name, head in self.heads.items()}
        return Output(logits, hidden, weights, early)
