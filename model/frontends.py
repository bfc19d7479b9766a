"""Arrays -> hidden vectors."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.config import ModelConfig
from model.positions import PositionEmbedding


class _Frontend(nn.Module):
    """A vector for each position, plus one for its place, normalised (Devlin et al. 2019, s. 3)."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        frontend, encoder = config.frontend, config.encoder
        self.positions = PositionEmbedding(frontend.positions, frontend.max_length, encoder.d_model)
        self.norm = nn.LayerNorm(encoder.d_model, eps=encoder.norm_eps)
        self.dropout = nn.Dropout(encoder.dropout)

    def place(self, vectors: Tensor) -> Tensor:
        """(batch, length, d_model) -> the same."""
        return self.dropout(self.norm(self.positions(vectors)))


class TokenFrontend(_Frontend):
    """Token ids are embedded."""

    def __init__(self, config: ModelConfig):
        super().__init__(config)
        frontend = config.frontend
        self.tokens = nn.Embedding(frontend.vocabulary, config.encoder.d_model)
        # As large as the positions added to them: sines are, learned ones start small.
        std = 1.0 if frontend.positions == "sinusoidal" else 0.02
        nn.init.normal_(self.tokens.weight, std=std)

    def forward(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """`token_ids` int64 (batch, length) -> (batch, length, d_model)."""
        return self.place(self.tokens(arrays["token_ids"]))


class VectorFrontend(_Frontend):
    """Vectors are projected; where the recipe says so, they are standardised before."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: ModelConfig):
        super().__init__(config)
        self.project = nn.Linear(config.preprocess.width, config.encoder.d_model)
        self.hide = nn.Dropout(config.frontend.hide)
        self.standardise = config.preprocess.standardise
        if self.standardise:
            self.register_buffer("mean", torch.zeros(config.preprocess.width))
            self.register_buffer("deviation", torch.ones(config.preprocess.width))

    def scale_to(self, vectors: NDArray[np.float32]) -> None:
        """Take each feature's mean and deviation from the training vectors (n, features).

        They are part of the network, so that every client sends what the recipe's data holds.
        """
        varies, deviation = np.ptp(vectors, 0) > 0, vectors.std(0, dtype=np.float64)
        self.mean.copy_(torch.from_numpy(vectors.mean(0, dtype=np.float64)))
        self.deviation.copy_(torch.from_numpy(np.where(varies, deviation, 1.0)))

    def forward(self, arrays: Mapping[str, Tensor]) -> Tensor:
        """`vectors` float32 (batch, length, features) -> (batch, length, d_model)."""
        vectors = arrays["vectors"]
        if self.standardise:
            vectors = (vectors - self.mean) / self.deviation
        return self.place(self.project(vectors * self.hide(torch.ones_like(vectors[..., :1]))))


def make_frontend(config: ModelConfig) -> TokenFrontend | VectorFrontend:
    """What the network's input needs."""
    return (VectorFrontend if config.frontend.vocabulary is None else TokenFrontend)(config)
