"""The whole network: frontend, encoder, heads."""

from typing import NamedTuple

from torch import Tensor, nn

from model.config import ModelConfig
from model.encoder import Encoder
from model.frontends import TextFrontend
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
        for head in config.heads:
            if hasattr(nn.ModuleDict, head.name) or head.name in ("token_ids", "valid"):
                raise ValueError(f"a head cannot be named {head.name!r}: the name is taken")
        self.config = config
        self.frontend = TextFrontend(config.frontend, config.encoder)
        self.encoder = Encoder(config.encoder)
        self.heads = nn.ModuleDict(
            {
                head.name: HEADS[head.kind](
                    config.encoder.d_model, len(head.labels), config.encoder.dropout
                )
                for head in config.heads
            }
        )

    def forward(self, token_ids: Tensor, valid: Tensor) -> Output:
        """Token ids and valid, both (batch, length) -> Output."""
        hidden, mask = self.frontend(token_ids, valid)
        hidden, weights = self.encoder(hidden, mask)
        logits = {name: head(hidden) for name, head in self.heads.items()}
        return Output(logits, hidden, weights)
