"""Multi-head self-attention (Vaswani et al. 2017, section 3.2; arXiv:1706.03762).

Axis names, used in every docstring of this package:
    batch    examples in the batch
    length   positions after padding; a position is a token, a frame, a patch or a node
    query    the positions that look, one output row each
    key      the positions that are looked at
    heads    attention heads
    d_model  features of one position; d_head = d_model / heads
    edges    the pairs (query, key) that attention is limited to, where it is
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


def dot_product_of_pairs(query: Tensor, key: Tensor) -> Tensor:
    """q . k / sqrt(d_head), each query with one key: both (.., heads, d_head) -> (.., heads)."""
    return (query * key).sum(-1) / math.sqrt(query.shape[-1])


class AdditiveScore(nn.Module):
    """w . tanh(q + k), one w a head (Bahdanau et al. 2015, appendix A.1.2; arXiv:1409.0473)."""

    def __init__(self, heads: int, d_head: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(heads, d_head) / math.sqrt(d_head))

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """(batch, heads, query, d_head) and key likewise -> scores (batch, heads, query, key)."""
        pairs = torch.tanh(query.unsqueeze(-2) + key.unsqueeze(-3))
        return (pairs @ self.weight[:, None, :, None]).squeeze(-1)

    def of_pairs(self, query: Tensor, key: Tensor) -> Tensor:
        """Each query with one key: both (.., heads, d_head) -> scores (.., heads)."""
        return (torch.tanh(query + key) * self.weight).sum(-1)


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


def edge_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    edges: Tensor,
    score: ScoreFunction = dot_product_of_pairs,
    dropout: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """`attention` where a query looks along edges only; time and memory are linear in edges.

    The softmax over a query's edges is that of graph attention networks (Velickovic et al. 2018,
    eq. 3; arXiv:1710.10903): the edges' scores are gathered, and their powers added up, by query.

    Args:
        query: (batch, heads, length, d_head)
        key: likewise.
        value: likewise.
        edges: int64 (batch, edges, 2) of different pairs (query, key) of positions; (-1, -1)
            where there is no further edge.
        score: relevance of one key for each query, before the softmax.
        dropout: probability that a weight is dropped from the context (not from `weights`).

    Returns:
        context: (batch, heads, length, d_head); 0 for a query without an edge.
        weights: (batch, heads, edges). Sums to 1 over each query's edges; 0 where no edge is.
    """
    batch, heads, length, _ = query.shape
    starts = length * torch.arange(batch, device=edges.device)[:, None, None]
    rows = (edges.clamp(min=0) + starts).flatten(0, 1)  # of the positions of all the batch
    queries, keys = rows[:, 0], rows[:, 1]
    real = (edges[..., :1] >= 0).flatten(0, 1)
    query, key, value = (part.transpose(1, 2).flatten(0, 1) for part in (query, key, value))

    scores = score(query.index_select(0, queries), key.index_select(0, keys)).float()
    lowest = torch.finfo(scores.dtype).min
    scores = scores.masked_fill(~real, lowest)  # (batch * edges, heads)
    highest = torch.full((batch * length, heads), lowest, device=scores.device)
    highest = highest.scatter_reduce(0, queries[:, None].expand_as(scores), scores, "amax")
    powers = (scores - highest.index_select(0, queries)).exp() * real
    total = torch.zeros_like(highest).index_add(0, queries, powers)
    # A query with an edge has a total of 1 or more: the power of its highest score is 1.
    weights = (powers / total.clamp(min=1).index_select(0, queries)).to(value.dtype)

    kept = nn.functional.dropout(weights, dropout) if dropout else weights
    parts = kept.unsqueeze(-1) * value.index_select(0, keys)
    context = torch.zeros_like(value).index_add(0, queries, parts)
    context = context.unflatten(0, (batch, length)).transpose(1, 2)
    return context, weights.unflatten(0, (batch, -1)).transpose(1, 2)


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
