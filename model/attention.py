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
from torch.nn.functional import pad

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
    """Every position looks at every other, at those in a window, or along edges; once per head."""

    def __init__(
        self,
        d_model: int,
        heads: int,
        score: Score = "dot",
        dropout: float = 0.0,
        window: int | None = None,
    ):
        super().__init__()
        if d_model % heads:
            raise ValueError(f"d_model={d_model} is not a multiple of heads={heads}")
        self.heads = heads
        self.dropout = dropout
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)
        self.score = AdditiveScore(heads, d_model // heads) if score == "additive" else dot_product
        self.bias = None if window is None else nn.Parameter(torch.zeros(heads, 2 * window + 1))

    def forward(
        self, hidden: Tensor, valid: Tensor, edges: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            hidden: (batch, length, d_model)
            valid: bool (batch, length), True = real position
            edges: see edge_attention(); None: there are none.

        Returns:
            context: (batch, length, d_model)
            weights: of edge_attention() where there are edges; of truncated_attention() where there
                is a window; else of attention().
        """
        vectors = [self._split_heads(each) for each in self.qkv(hidden).chunk(3, dim=-1)]
        dropout = self.dropout if self.training else 0.0
        if edges is not None:
            additive = isinstance(self.score, AdditiveScore)
            score = self.score.of_pairs if additive else dot_product_of_pairs
            context, weights = edge_attention(*vectors, edges, score, dropout)
        elif self.bias is not None:
            context, weights = truncated_attention(*vectors, valid, self.bias, self.score, dropout)
        else:
            mask = valid[:, None, None, :]
            context, weights = attention(*vectors, mask, self.score, dropout)
        return self.out(context.transpose(1, 2).flatten(2)), weights

    def _split_heads(self, projected: Tensor) -> Tensor:
        """(batch, length, d_model) -> (batch, heads, length, d_head)."""
        return projected.unflatten(-1, (self.heads, -1)).transpose(1, 2)
