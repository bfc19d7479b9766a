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
from torch.nn.functional import pad

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


def truncated_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    valid: Tensor,
    bias: Tensor,
    score: ScoreFunction = dot_product,
    dropout: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """attention() where a query looks at most `window` positions to either side of itself.

    Computed in blocks: `window` queries against the 3 * window keys of their own block and its two
    neighbours (Beltagy et al. 2020, section 3.1; arXiv:2004.05150). Time and memory grow linearly
    with length. A position is known only by its distance, through `bias` (Raffel et al. 2020,
    section 2.1; arXiv:1910.10683), so any length will do.

    Args:
        query: (batch, heads, length, d_head)
        key:   (batch, heads, length, d_head)
        value: (batch, heads, length, d_head)
        valid: bool (batch, length), True = real position
        bias:  (heads, 2 * window + 1), added to the scores of the keys from `window` before the
               query to `window` after it
        score: as in attention()
        dropout: as in attention()

    Returns:
        context: (batch, heads, length, d_head); at positions that are not valid, of no meaning
        weights: (batch, heads, length, 2 * window + 1), the key at `query - window + i` under i.
            Sums to 1 over the last axis; exactly 0 where there is no valid key, and in every
            row of a position that is not valid.
    """
    length, window = query.shape[2], bias.shape[-1] // 2
    tail = (length + window - 1) // window * window - length
    queries = _blocks(pad(query, (0, 0, 0, tail)), window)
    keys, values, real = (
        _with_neighbours(_blocks(pad(x, (0, 0, window, window + tail)), window))
        for x in (key, value, valid[:, None, :, None])
    )
    mask = _as_block(torch.ones_like(bias[0], dtype=torch.bool)) & real.transpose(-2, -1)
    biases = _as_block(bias)
    context, weights = attention(
        queries, keys, values, mask, lambda q, k: score(q, k) + biases, dropout
    )
    context, weights = (
        x.transpose(1, 2).flatten(2, 3)[:, :, :length] for x in (context, _as_band(weights))
    )
    return context, weights * valid[:, None, :, None]


def _blocks(positions: Tensor, window: int) -> Tensor:
    """(batch, heads, blocks * window, features) -> (batch, blocks, heads, window, features)."""
    return positions.unflatten(2, (-1, window)).transpose(1, 2)


def _with_neighbours(blocks: Tensor) -> Tensor:
    """Each block between the one before and the one after; the first and the last are no more."""
    return torch.cat((blocks[:, :-2], blocks[:, 1:-1], blocks[:, 2:]), dim=-2)


def _as_block(band: Tensor) -> Tensor:
    """(.., 2 * window + 1) by distance -> (.., window, 3 * window) by query and key of a block."""
    window = band.shape[-1] // 2
    rows = pad(band, (0, window)).unsqueeze(-2).expand(*band.shape[:-1], window, -1)
    return rows.flatten(-2)[..., :-window].unflatten(-1, (window, 3 * window))


def _as_band(block: Tensor) -> Tensor:
    """(.., window, 3 * window) by query and key of a block -> (.., window, 2 * window + 1)."""
    window = block.shape[-2]
    rows = pad(block.flatten(-2), (0, window)).unflatten(-1, (window, 3 * window + 1))
    return rows[..., : 2 * window + 1]


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
