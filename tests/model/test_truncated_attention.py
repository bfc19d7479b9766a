import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from model.attention import AdditiveScore, attention, dot_product, truncated_attention

BATCH, HEADS, D_HEAD = 3, 4, 5


def masked(query, key, value, valid, bias, score=dot_product) -> tuple[Tensor, Tensor]:
    """The same by full attention with a mask and a bias for every pair of positions."""
    length, window = query.shape[2], bias.shape[-1] // 2
    distance = torch.arange(length) - torch.arange(length)[:, None]
    near = distance.abs() <= window
    biases = bias[:, (distance + window).clamp(0, 2 * window)]
    mask = near & valid[:, None, None, :] | torch.eye(length, dtype=torch.bool)
    return attention(query, key, value, mask, lambda q, k: score(q, k) + biases)


def band(weights: Tensor, window: int) -> Tensor:
    """(batch, heads, query, key) -> (batch, heads, query, 2 * window + 1), pair by pair."""
    found = torch.zeros(*weights.shape[:3], 2 * window + 1)
    length = weights.shape[2]
    for query in range(length):
        for key in range(max(0, query - window), min(length, query + window + 1)):
            found[:, :, query, key - query + window] = weights[:, :, query, key]
    return found


def drawn(length: int, window: int) -> tuple[Tensor, ...]:
    """Query, key, value, valid (one example whole, the others padded) and bias."""
    torch.manual_seed(length * 100 + window)
    lengths = torch.tensor([length, max(1, length // 2), 1])
    valid = torch.arange(length) < lengths[:, None]
    return (
        *torch.randn(3, BATCH, HEADS, length, D_HEAD),
        valid,
        torch.randn(HEADS, 2 * window + 1),
    )


@given(st.integers(1, 40), st.integers(1, 45))
def test_equals_full_attention_with_a_mask(length, window):
    inputs = drawn(length, window)
    context, weights = truncated_attention(*inputs)
    expected, full = masked(*inputs)
    valid = inputs[3][:, None, :, None]
    torch.testing.assert_close(context * valid, expected * valid, atol=1e-5, rtol=0)
    torch.testing.assert_close(weights, band(full, window) * valid, atol=1e-5, rtol=0)


def test_any_score_may_be_truncated(seeded):
    inputs = drawn(length=11, window=3)
    score = AdditiveScore(HEADS, D_HEAD)
    context, weights = truncated_attention(*inputs, score)
    expected, full = masked(*inputs, score)
    valid = inputs[3][:, None, :, None]
    torch.testing.assert_close(context * valid, expected * valid, atol=1e-5, rtol=0)
    torch.testing.assert_close(weights, band(full, 3) * valid, atol=1e-5, rtol=0)


def test_rows_sum_to_one_and_a_weight_without_a_key_is_exactly_zero():
    query, key, value, valid, bias = drawn(length=11, window=3)
    _, weights = truncated_attention(query, key, value, valid, bias)
    expected = valid[:, None, :].expand(BATCH, HEADS, -1).float()
    torch.testing.assert_close(weights.sum(-1), expected)
    keys = torch.arange(11)[:, None] + torch.arange(-3, 4)
    has_key = (keys >= 0) & (keys < 11) & valid[:, keys.clamp(0, 10)] & valid[:, :, None]
    assert torch.equal(weights > 0, has_key[:, None].expand_as(weights))


def test_padding_changes_nothing():
    query, key, value, valid, bias = drawn(length=11, window=4)
    alone = truncated_attention(query[1:2, :, :5], key[1:2, :, :5], value[1:2, :, :5],
                                valid[1:2, :5], bias)  # fmt: skip
    padded = truncated_attention(query, key, value, valid, bias)
    for one, other in zip(alone, padded, strict=True):
        torch.testing.assert_close(one[0], other[1, :, :5], atol=1e-6, rtol=0)


def test_what_is_farther_than_the_window_is_not_seen():
    query, key, value, valid, bias = drawn(length=11, window=2)
    context, _ = truncated_attention(query, key, value, valid, bias)
    key[:, :, 3], value[:, :, 3] = 7.0, 7.0
    changed, _ = truncated_attention(query, key, value, valid, bias)
    same = (context == changed)[0].all(-1).all(0)
    assert same.tolist() == [True, *[False] * 5, *[True] * 5]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_finite(dtype):
    query, key, value, valid, bias = drawn(length=11, window=3)
    halves = (x.to(dtype) for x in (query, key, value))
    context, weights = truncated_attention(*halves, valid, bias.to(dtype))
    assert context.isfinite().all()
    assert weights.isfinite().all()


def test_gradients_reach_the_bias_and_stay_finite():
    query, key, value, valid, bias = drawn(length=11, window=3)
    bias.requires_grad_()
    context, _ = truncated_attention(query, key, value, valid, bias)
    (context * valid[:, None, :, None]).square().sum().backward()
    assert bias.grad.isfinite().all()
    assert (bias.grad != 0).all()


class Truncated(nn.Module):
    def __init__(self, window: int):
        super().__init__()
        self.bias = nn.Parameter(torch.randn(HEADS, 2 * window + 1))

    def forward(self, query: Tensor, key: Tensor, value: Tensor, valid: Tensor):
        return truncated_attention(query, key, value, valid, self.bias)


@pytest.mark.parametrize("window", [1, 4])
def test_onnx_gives_the_same_at_lengths_that_were_not_exported(seeded, tmp_path, window):
    network = Truncated(window).eval()
    path = tmp_path / "truncated.onnx"
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length")
    axes = {0: batch, 2: length}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            drawn(length=6, window=window)[:4],
            input_names=["query", "key", "value", "valid"],
            dynamic_shapes=(axes, axes, axes, {0: batch, 1: length}),
            dynamo=True,
            opset_version=20,
            verbose=False,
        )
    program.save(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [x.name for x in session.get_inputs()]
    for length in (1, 2, 3, 4, 5, 8, 9, 31):
        inputs = drawn(length, window)[:4]
        found = session.run(None, dict(zip(names, (x.numpy() for x in inputs), strict=True)))
        with torch.no_grad():
            expected = network(*inputs)
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)
