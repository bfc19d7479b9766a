import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from model.attention import (
    AdditiveScore,
    attention,
    dot_product,
    dot_product_of_pairs,
    edge_attention,
)

HEADS, D_HEAD = 4, 5


class Scores(nn.Module):
    """The two forms of one score: every query with every key, and each with one."""

    def __init__(self, kind: str):
        super().__init__()
        self.additive = AdditiveScore(HEADS, D_HEAD) if kind == "additive" else None
        self.of_all = self.additive or dot_product
        self.of_pairs = self.additive.of_pairs if self.additive else dot_product_of_pairs


@pytest.fixture(params=["dot", "additive"])
def scores(request, seeded) -> Scores:
    return Scores(request.param)


def pad_edges(graphs: list[list[tuple[int, int]]], more: int = 0) -> Tensor:
    """(batch, edges, 2), padded with -1 to the longest and by `more`."""
    edges = torch.full((len(graphs), max(map(len, graphs)) + more, 2), -1)
    for row, pairs in enumerate(graphs):
        edges[row, : len(pairs)] = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)
    return edges


def dense(vectors: Tensor, graphs: list[list[tuple[int, int]]], score) -> tuple[Tensor, Tensor]:
    """The same by masked attention over all pairs; context is 0 for a query without an edge."""
    batch, length = len(graphs), vectors.shape[-2]
    mask = torch.zeros(batch, 1, length, length, dtype=torch.bool)
    for row, pairs in enumerate(graphs):
        for query, key in pairs:
            mask[row, 0, query, key] = True
    context, weights = attention(*vectors, mask, score)
    looks = mask.any(-1, keepdim=True)
    return context.where(looks, 0), weights.where(looks, 0)


def graphs_of(length: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    position = st.integers(0, length - 1)
    return st.lists(st.tuples(position, position), unique=True, max_size=30)


@given(
    st.data(),
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(0, 3),
    st.sampled_from([1e-3, 1.0, 60.0]),
)
@pytest.mark.parametrize("kind", ["dot", "additive"])
def test_equals_dense_attention_under_the_edges_mask(kind, data, batch, length, more, scale):
    torch.manual_seed(batch * 10 + length)
    scores = Scores(kind)
    vectors = scale * torch.randn(3, batch, HEADS, length, D_HEAD)
    vectors[2] /= scale
    graphs = [data.draw(graphs_of(length)) for _ in range(batch)]
    edges = pad_edges(graphs, more)

    context, weights = edge_attention(*vectors, edges, scores.of_pairs)
    expected, expected_weights = dense(vectors, graphs, scores.of_all)
    torch.testing.assert_close(context, expected, atol=1e-5, rtol=0)
    assert weights.shape == (batch, HEADS, edges.shape[1])
    for row, pairs in enumerate(graphs):
        assert (weights[row, :, len(pairs) :] == 0).all()
        for number, (query, key) in enumerate(pairs):
            found, one = weights[row, :, number], expected_weights[row, :, query, key]
            torch.testing.assert_close(found, one, atol=1e-5, rtol=0)


def test_padding_of_positions_and_edges_changes_no_bit(scores):
    short, long = [(0, 0), (0, 2), (2, 1), (1, 1)], [(i, j) for i in range(7) for j in range(7)]
    vectors = torch.randn(3, 2, HEADS, 7, D_HEAD)
    context, weights = edge_attention(*vectors, pad_edges([short, long]), scores.of_pairs)
    alone, own = edge_attention(*vectors[:, :1, :, :3], pad_edges([short]), scores.of_pairs)
    assert torch.equal(context[:1, :, :3], alone)
    assert torch.equal(weights[:1, :, : len(short)], own)


def test_the_order_of_edges_is_the_order_of_weights(scores):
    edges = pad_edges([[(0, 0), (0, 1), (1, 2), (2, 0), (2, 2)]])
    order = torch.tensor([3, 0, 4, 2, 1])
    vectors = torch.randn(3, 1, HEADS, 3, D_HEAD)
    context, weights = edge_attention(*vectors, edges, scores.of_pairs)
    same, moved = edge_attention(*vectors, edges[:, order], scores.of_pairs)
    torch.testing.assert_close(same, context)
    torch.testing.assert_close(moved, weights[..., order])


def test_gradients_equal_those_of_dense_attention(scores):
    graphs = [[(0, 0), (0, 1), (1, 0), (2, 2)], [(0, 0), (1, 1), (2, 1)]]
    both = torch.randn(2, 1, 3, 2, HEADS, 3, D_HEAD)[:1].repeat(2, 1, 1, 1, 1, 1, 1)
    both = both.requires_grad_()
    context, _ = edge_attention(*both[0, 0], pad_edges(graphs, 2), scores.of_pairs)
    expected, _ = dense(both[1, 0], graphs, scores.of_all)
    (context.square().sum() + expected.square().sum()).backward()
    torch.testing.assert_close(both.grad[0], both.grad[1], atol=1e-5, rtol=1e-5)


def test_dropout_changes_the_context_but_not_the_weights(seeded):
    edges = pad_edges([[(i, j) for i in range(6) for j in range(6)]])
    vectors = torch.randn(3, 1, HEADS, 6, D_HEAD)
    context, weights = edge_attention(*vectors, edges)
    dropped_context, dropped_weights = edge_attention(*vectors, edges, dropout=0.5)
    assert torch.equal(weights, dropped_weights)
    assert not torch.allclose(context, dropped_context)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_finite_and_padding_zero(seeded, dtype):
    edges = pad_edges([[(0, 0), (0, 1), (1, 1)], [(0, 0)]])
    vectors = (40 * torch.randn(3, 2, HEADS, 2, D_HEAD)).to(dtype)
    context, weights = edge_attention(*vectors, edges)
    assert context.dtype == weights.dtype == dtype
    assert context.isfinite().all()
    assert (weights[1, :, 1:] == 0).all()


def test_cost_is_linear_in_edges(seeded):
    """100,000 positions: all their pairs would be 40 GB a head."""
    length = 100_000
    edges = torch.arange(length)[:, None].expand(length, 2)[None]
    vectors = torch.randn(3, 1, 1, length, 2)
    context, _ = edge_attention(*vectors, edges)
    torch.testing.assert_close(context, vectors[2])


def test_exported_it_is_the_same_at_any_batch_length_and_number_of_edges(scores, tmp_path):
    class Exported(nn.Module):
        def __init__(self):
            super().__init__()
            self.scores = scores

        def forward(self, vectors: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
            return edge_attention(*vectors.unbind(0), edges, self.scores.of_pairs)

    path = tmp_path / "edges.onnx"
    batch, length, pairs = (torch.export.Dim(name) for name in ("batch", "length", "edges"))
    network = Exported().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.randn(3, 2, HEADS, 5, D_HEAD), pad_edges([[(0, 0), (4, 1)], [(3, 3)]], 1)),
            path,
            input_names=["vectors", "edges"],
            dynamic_shapes={"vectors": {1: batch, 3: length}, "edges": {0: batch, 1: pairs}},
            dynamo=True,
            opset_version=20,
            verbose=False,
        )
    session = onnxruntime.InferenceSession(path)
    ring = [(i, (i + step) % 11) for i in range(11) for step in (-1, 0, 1)]
    for graphs, size in (([[(0, 0)]], 1), ([ring, [(0, 10)], []], 11), ([[(1, 0)]] * 5, 2)):
        vectors, edges = torch.randn(3, len(graphs), HEADS, size, D_HEAD), pad_edges(graphs, 1)
        expected = [part.detach().numpy() for part in network(vectors, edges)]
        found = session.run(None, {"vectors": vectors.numpy(), "edges": edges.numpy()})
        for ours, theirs in zip(expected, found, strict=True):
            np.testing.assert_allclose(theirs, ours, atol=1e-6)
