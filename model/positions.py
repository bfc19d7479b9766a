"""Position vectors, added to the embeddings: hand-crafted, learned, or none at all."""

import math

import torch
from torch import Tensor, nn

from model.config import Positions


def sinusoidal(length: int, d_model: int) -> Tensor:
    """(length, d_model) of sines and cosines (Vaswani et al. 2017, section 3.5)."""
    position = torch.arange(length, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
    table = torch.zeros(length, d_model)
    table[:, 0::2] = torch.sin(position * rate)
    table[:, 1::2] = torch.cos(position * rate[: d_model // 2])
    return table


class PositionEmbedding(nn.Module):
    """Adds a vector e_i to the i-th position."""

    def __init__(self, kind: Positions, max_length: int, d_model: int):
        super().__init__()
        self.kind = kind
        if kind == "sinusoidal":
            self.register_buffer("table", sinusoidal(max_length, d_model), persistent=False)
        elif kind == "learned":
            self.table = nn.Parameter(torch.randn(max_length, d_model) * 0.02)

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, length, d_model) -> the same; length is at most max_length."""
        return hidden if self.kind == "none" else hidden + self.table[: hidden.shape[1]]
