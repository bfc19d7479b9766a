"""Encoders to set beside self-attention: what mixes the positions of a layer is exchanged, no more.

Residual paths, norms and feed-forward layers are the encoder's own. A mixer takes what
`MultiHeadSelfAttention` takes and gives what it gives, without weights where it has none.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import elu

from model.attention import MultiHeadSelfAttention
from model.config import EncoderConfig, ModelConfig
from model.network import Network

WINDOW = 16  # of truncated self-attention
KERNEL = 3  # positions that a convolution sees: with `out` it is as large as self-attention


class ReLUAttention(MultiHeadSelfAttention):
    """ReLU(q . k / sqrt(d_head)) / length in place of the softmax.

    Wortsman et al. 2023, section 3 (arXiv:2309.08586); length is that of the input, unpadded.
    """

    def __init__(self, config: EncoderConfig):
        super().__init__(config.d_model, config.heads)

    def forward(
        self, hidden: Tensor, valid: Tensor, edges: None = None
    ) -> tuple[Tensor, Tensor | None]:
        """See `MultiHeadSelfAttention`."""
        query, key, value = map(self._split_heads, self.qkv(hidden).chunk(3, dim=-1))
        real = valid[:, None, None, :]
        weights = self.score(query, key).relu() * real / real.sum(-1, keepdim=True)
        context = weights @ value
        return self.out(context.transpose(1, 2).flatten(2)), weights


def linear_attention(query: Tensor, key: Tensor, value: Tensor, valid: Tensor) -> Tensor:
    """phi(q) . sum_j phi(k_j) v_j, over the sum of the weights phi(q) . phi(k_j); phi = elu + 1.

    Katharopoulos et al. 2020, equations 5 and 7 (arXiv:2006.16236): the sums over the keys are the
    same for every query, so time and memory are linear in length.

    Args:
        query: (batch, heads, length, d_head)
        key: likewise.
        value: likewise.
        valid: bool (batch, length), True = real position

    Returns:
        context: (batch, heads, length, d_head)
    """
    query = elu(query) + 1
    key = (elu(key) + 1) * valid[:, None, :, None]
    total = query @ key.sum(-2).unsqueeze(-1)
    return query @ (key.transpose(-2, -1) @ value) / total


class LinearAttention(MultiHeadSelfAttention):
    """`linear_attention` between the projections of self-attention."""

    def __init__(self, config: EncoderConfig):
        super().__init__(config.d_model, config.heads)

    def forward(self, hidden: Tensor, valid: Tensor, edges: None = None) -> tuple[Tensor, None]:
        """See `MultiHeadSelfAttention`."""
        vectors = map(self._split_heads, self.qkv(hidden).chunk(3, dim=-1))
        with torch.autocast("cpu", enabled=False):  # bfloat16 cannot hold the sums
            context = linear_attention(*(each.to(hidden.dtype) for each in vectors), valid)
        return self.out(context.transpose(1, 2).flatten(2)), None


class Convolution(nn.Module):
    """Every position sees itself and its neighbours; then the projection of self-attention."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.neighbours = nn.Conv1d(config.d_model, config.d_model, KERNEL, padding=KERNEL // 2)
        self.out = nn.Linear(config.d_model, config.d_model)

    def forward(self, hidden: Tensor, valid: Tensor, edges: None = None) -> tuple[Tensor, None]:
        """(batch, length, d_model) -> the same."""
        real = hidden * valid[..., None]
        return self.out(self.neighbours(real.transpose(1, 2)).transpose(1, 2)), None


class BidirectionalLSTM(nn.Module):
    """One LSTM from the first position on and one from the last back, side by side.

    Graves and Schmidhuber 2005. What is not valid comes last in both, and changes nothing.
    """

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.onward, self.back = (
            nn.LSTM(config.d_model, config.d_model // 2, batch_first=True) for _ in range(2)
        )

    def forward(self, hidden: Tensor, valid: Tensor, edges: None = None) -> tuple[Tensor, None]:
        """(batch, length, d_model) -> the same."""
        place = torch.arange(hidden.shape[1])
        lengths = valid.sum(1, keepdim=True)
        mirrored = torch.where(place < lengths, lengths - 1 - place, place)[..., None]
        onward, _ = self.onward(hidden)
        back, _ = self.back(hidden.take_along_dim(mirrored, 1))
        return torch.cat((onward, back.take_along_dim(mirrored, 1)), -1), None


MIXERS = {
    "relu": ReLUAttention,
    "linear": LinearAttention,
    "convolution": Convolution,
    "lstm": BidirectionalLSTM,
}


def make_network(config: ModelConfig, mixer: str) -> Network:
    """`config`'s network with another mixer: "full", "truncated", or one of MIXERS.

    An LSTM is larger than self-attention; the feed-forward layers become smaller by as much.
    """
    encoder = config.encoder
    if mixer == "truncated":
        encoder = encoder.model_copy(update={"window": WINDOW})
    if mixer == "lstm":
        attention = MultiHeadSelfAttention(encoder.d_model, encoder.heads)
        surplus = size(BidirectionalLSTM(encoder)) - size(attention)
        narrower = math.ceil(surplus / (2 * encoder.d_model + 1))
        encoder = encoder.model_copy(update={"d_hidden": encoder.d_hidden - narrower})
    network = Network(config.model_copy(update={"encoder": encoder}))
    if mixer in MIXERS:
        for layer in network.encoder.layers:
            layer.attention = MIXERS[mixer](encoder)
    return network


def size(module: nn.Module) -> int:
    """Numbers that are learned."""
    return sum(parameter.numel() for parameter in module.parameters())
