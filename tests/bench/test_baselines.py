"""The encoders that the lecture's comparisons set beside self-attention."""

import pytest
import torch
from torch.nn.functional import elu

from baselines import MIXERS, linear_attention, make_network, size
from model.config import EncoderConfig, FrontendConfig, HeadConfig, ModelConfig, TextConfig

KINDS = ("full", "truncated", *MIXERS)
CONFIG = ModelConfig(
    preprocess=TextConfig(),
    frontend=FrontendConfig(vocabulary=50, max_length=64),
    encoder=EncoderConfig(layers=3, heads=4, d_model=96, d_hidden=384, norm="pre"),
    heads=(
        HeadConfig(name="tags", kind="token", labels=("a", "b")),
        HeadConfig(name="all", kind="sequence", pool="mean", labels=("a", "b")),
    ),
)


@pytest.fixture(params=KINDS)
def network(request, seeded):
    return make_network(CONFIG, request.param).eval()


@pytest.mark.parametrize("mixer", KINDS)
def test_encoders_are_of_equal_size(mixer):
    ours = size(make_network(CONFIG, mixer).encoder)
    assert ours == pytest.approx(size(make_network(CONFIG, "full").encoder), rel=0.05)


def test_an_answer_does_not_depend_on_its_batch(network):
    lengths = torch.tensor([7, 40, 1])
    valid = torch.arange(40) < lengths[:, None]
    token_ids = torch.randint(1, 50, (3, 40)) * valid
    with torch.inference_mode():
        together = network({"token_ids": token_ids, "valid": valid}).logits
        for row, length in enumerate(lengths):
            arrays = {"token_ids": token_ids, "valid": valid}
            alone = network({n: x[row : row + 1, :length] for n, x in arrays.items()}).logits
            torch.testing.assert_close(together["all"][row], alone["all"][0], atol=1e-5, rtol=0)
            tags = together["tags"][row, :length]
            torch.testing.assert_close(tags, alone["tags"][0], atol=1e-5, rtol=0)


def test_every_number_is_learned(network):
    valid = torch.ones(2, 40, dtype=torch.bool)
    logits = network({"token_ids": torch.randint(1, 50, (2, 40)), "valid": valid}).logits
    sum(each.square().sum() for each in logits.values()).backward()
    dead = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


@pytest.mark.parametrize(
    ("mixer", "reach"),
    [
        ("full", 39),
        ("truncated", 39),
        ("relu", 39),
        ("linear", 39),
        ("convolution", 3),
        ("lstm", 39),
    ],
)
def test_how_far_a_change_is_seen(mixer, reach, seeded):
    """Three layers: a convolution of 3 sees three positions far, a window of 16 all of these."""
    encoder = make_network(CONFIG, mixer).encoder.eval().double()
    hidden = torch.randn(1, 40, 96, dtype=torch.float64)
    valid = torch.ones(1, 40, dtype=torch.bool)
    changed = hidden.clone()
    changed[:, 0] += 1
    with torch.inference_mode():
        seen = (encoder(hidden, valid)[0] != encoder(changed, valid)[0]).any(-1)[0]
    assert seen.nonzero().max() == reach


def test_linear_attention_equals_its_quadratic_form(seeded):
    query, key, value = torch.randn(3, 2, 4, 11, 5, dtype=torch.float64)
    valid = torch.arange(11) < torch.tensor([[11], [6]])
    weights = (elu(query) + 1) @ (elu(key) + 1).transpose(-2, -1) * valid[:, None, None, :]
    expected = weights / weights.sum(-1, keepdim=True) @ value
    found = linear_attention(query, key, value, valid)
    torch.testing.assert_close(found, expected)


def test_relu_attention_equals_its_sum_position_by_position(seeded):
    layer = MIXERS["relu"](CONFIG.encoder).double()
    hidden = torch.randn(1, 9, 96, dtype=torch.float64)
    context, weights = layer(hidden, torch.ones(1, 9, dtype=torch.bool))
    query, key, value = layer.qkv(hidden)[0].split(96, dim=-1)
    expected = torch.zeros(9, 96, dtype=torch.float64)
    for i in range(9):
        for j in range(9):
            for head in range(4):
                part = slice(24 * head, 24 * (head + 1))
                weight = max(0.0, (query[i, part] @ key[j, part]).item() / 24**0.5) / 9
                assert weights[0, head, i, j].item() == pytest.approx(weight)
                expected[i, part] += weight * value[j, part]
    torch.testing.assert_close(context[0], layer.out(expected))
