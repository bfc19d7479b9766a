import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.attention import AdditiveScore, MultiHeadSelfAttention, attention, dot_product

BATCH, LENGTH, HEADS, D_MODEL, D_HEAD = 3, 7, 4, 20, 5
LENGTHS = (7, 4, 1)


@pytest.fixture
def valid() -> Tensor:
    return torch.arange(LENGTH) < torch.tensor(LENGTHS)[:, None]


@pytest.fixture
def vectors(seeded) -> Tensor:
    """Query, key and value, stacked."""
    return torch.randn(3, BATCH, HEADS, LENGTH, D_HEAD)


@pytest.fixture(params=["dot", "additive"])
def score(request, seeded) -> Callable[[Tensor, Tensor], Tensor]:
    return AdditiveScore(HEADS, D_HEAD) if request.param == "additive" else dot_product


def test_equals_torch_multihead_attention(seeded, valid):
    theirs = nn.MultiheadAttention(D_MODEL, HEADS, batch_first=True).eval()
    nn.init.normal_(theirs.in_proj_bias)
    ours = MultiHeadSelfAttention(D_MODEL, HEADS).eval()
    ours.qkv.load_state_dict({"weight": theirs.in_proj_weight, "bias": theirs.in_proj_bias})
    ours.out.load_state_dict(theirs.out_proj.state_dict())
    hidden = torch.randn(BATCH, LENGTH, D_MODEL)

    context, weights = ours(hidden, valid)
    expected, expected_weights = theirs(
        hidden, hidden, hidden, key_padding_mask=~valid, average_attn_weights=False
    )
    torch.testing.assert_close(context, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(weights, expected_weights, atol=1e-5, rtol=0)


def test_additive_score_equals_a_loop_over_queries_and_keys(seeded):
    query, key = torch.randn(2, BATCH, HEADS, LENGTH, D_HEAD)
    key = key[:, :, :6]  # another length than the queries', so that they cannot be swapped
    score = AdditiveScore(HEADS, D_HEAD)
    found = score(query, key).detach().numpy()
    weight = score.weight.detach().numpy()
    assert found.shape == (BATCH, HEADS, LENGTH, 6)
    for batch, head, i, j in np.ndindex(found.shape):
        q, k = query[batch, head, i].tolist(), key[batch, head, j].tolist()
        terms = (w * math.tanh(a + b) for w, a, b in zip(weight[head], q, k, strict=True))
        assert found[batch, head, i, j] == pytest.approx(sum(terms), abs=1e-5)


def test_dot_product_equals_a_loop_over_queries_and_keys(vectors):
    query, key, _ = vectors
    found = dot_product(query, key)
    for batch, head, i, j in np.ndindex(found.shape):
        q, k = query[batch, head, i].tolist(), key[batch, head, j].tolist()
        expected = sum(a * b for a, b in zip(q, k, strict=True)) / math.sqrt(D_HEAD)
        assert found[batch, head, i, j].item() == pytest.approx(expected, abs=1e-5)


def test_rows_sum_to_one_and_masked_weights_are_exactly_zero(score, vectors, valid):
    _, weights = attention(*vectors, valid[:, None, None, :], score)
    torch.testing.assert_close(weights.sum(-1), torch.ones(BATCH, HEADS, LENGTH))
    masked = ~valid[:, None, None, :].expand_as(weights)
    assert masked.any()
    assert (weights[masked] == 0).all()
    assert (weights[~masked] > 0).all()


def test_context_is_the_weighted_mean_of_the_values(score, vectors, valid):
    context, weights = attention(*vectors, valid[:, None, None, :], score)
    expected = np.einsum("bhqk,bhkd->bhqd", weights.detach().numpy(), vectors[2].numpy())
    np.testing.assert_allclose(context.detach().numpy(), expected, atol=1e-6)


def test_each_query_may_have_its_own_mask(score, vectors):
    mask = torch.eye(LENGTH, dtype=torch.bool)
    context, weights = attention(*vectors, mask, score)
    assert (weights == mask).all()
    torch.testing.assert_close(context, vectors[2])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_finite_and_masked_weights_zero(vectors, valid, dtype):
    context, weights = attention(*vectors.to(dtype), valid[:, None, None, :])
    assert context.isfinite().all()
    assert (weights.masked_select(~valid[:, None, None, :]) == 0).all()


def test_dropout_changes_the_context_but_not_the_weights(vectors, valid):
    mask = valid[:, None, None, :]
    context, weights = attention(*vectors, mask)
    dropped_context, dropped_weights = attention(*vectors, mask, dropout=0.5)
    assert torch.equal(weights, dropped_weights)
    assert not torch.allclose(context, dropped_context)


def test_dropout_is_off_in_evaluation(seeded, valid):
    layer = MultiHeadSelfAttention(D_MODEL, HEADS, dropout=0.5).eval()
    hidden = torch.randn(BATCH, LENGTH, D_MODEL)
    first, second = (layer(hidden, valid)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_heads_must_divide_d_model():
    with pytest.raises(ValueError, match="d_model=20 is not a multiple of heads=3"):
        MultiHeadSelfAttention(20, 3)
