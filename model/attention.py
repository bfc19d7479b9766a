"""Multi-head self-attention (Vaswani et al. 2017, section 3.2; arXiv:1706.03762).

Axis names, used in every docstring of this package:
    batch    examples in the batch
    length   positions after padding; a position is a token, a frame, a patch or a node
    query    the positions that look, one output row each
    key      the positions that are looked at
    heads    attention heads
    d_model  features of one position; d_head = d_model / heads
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from model.config import Score

ScoreFunction = Callable[[Tensor, Tensor], Tensor]


def dot_product(query: Tensor, key: Tensor) -> Tensor:
    """q . k / sqrt(d_head), eq. 1: (batch, heads, query, d_head) and key -> (.., query, key)."""
    return query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])


class AdditiveScore(nn.Module):
    """w . tanh(q + k), one w a head (Bahdanau et al. 2015, appendix A.1.2; arXiv:1409.0473)."""

    def __init__(self, heads: int, d_head: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(heads, d_head) / math.sqrt(d_head))

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """(batch, heads, query, d_head) and key likewise -> scores (batch, heads, query, key)."""
        pairs = torch.tanh(query.unsqueeze(-2) + key.unsqueeze(-3))
        return (pairs @ self.weight[:, None, :, None]).squeeze(-1)


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor,
    score: ScoreFunction = dot_product,
    dropout: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """softmax(score(Q, K)) V.

    Args:
        query: (batch, heads, query, d_head)
        key:   (batch, heads, key, d_head)
        value: (batch, heads, key, d_head)
        mask:  bool, broadcastable to (batch, heads, query, key). True: the query may
               look at the key. Every query needs at least one True key.
        score: relevance of every key for every query, before the softmax.
        dropout: probability that a weight is dropped from the context (not from `weights`).

    Returns:
        context: (batch, heads, query, d_head)
        weights: (batch, heads, query, key). Sums to 1 over key; exactly 0 where mask is False.
    """
    scores = score(query, key)
    scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)
    kept = nn.functional.dropout(weights, dropout) if dropout else weights
    return kept @ value, weights


class MultiHeadSelfAttention(nn.Module):
    """Every position looks at every position that the mask allows, once per head."""

    def __init__(self, d_model: int, heads: int, score: Score = "dot", dropout: float = 0.0):
        super().__init__()
        if d_model % heads:
            raise ValueError(f"d_model={d_model} is not a multiple of heads={heads}")
        self.heads = heads
        self.dropout = dropout
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)
        self.score = AdditiveScore(heads, d_model // heads) if score == "additive" else dot_product

    def forward(self, hidden: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, length, d_model) -> the same shape, and weights as in attention()."""
        query, key, value = map(self._split_heads, self.qkv(hidden).chunk(3, dim=-1))
        dropout = self.dropout if self.training else 0.0
        context, weights = attention(query, key, value, mask, self.score, dropout)
        return self.out(context.transpose(1, 2).flatten(2)), weights

    def _split_heads(self, projected: Tensor) -> Tensor:
        """(batch, length, d_model) -> (batch, heads, length, d_head)."""
        return projected.unflatten(-1, (self.heads, -1)).transpose(1, 2)
