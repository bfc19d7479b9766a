import pytest
import torch
from torch import nn

from model.config import EncoderConfig
from model.encoder import Encoder
from model.network import Network

BATCH, LENGTH, D_MODEL = 3, 7, 20
LENGTHS = (7, 4, 2)
KINDS = [(norm, score) for norm in ("post", "pre") for score in ("dot", "additive")]


@pytest.fixture
def valid():
    return torch.arange(LENGTH) < torch.tensor(LENGTHS)[:, None]


@pytest.fixture(params=KINDS, ids="-".join)
def encoder(request, seeded) -> Encoder:
    norm, score = request.param
    sizes = {"layers": 2, "heads": 4, "d_model": D_MODEL, "d_hidden": 37}
    return Encoder(EncoderConfig(**sizes, norm=norm, score=score)).eval()


def torch_layers(config: EncoderConfig) -> list[nn.TransformerEncoderLayer]:
    layers = []
    for _ in range(config.layers):
        layer = nn.TransformerEncoderLayer(
            config.d_model,
            config.heads,
            config.d_hidden,
            config.dropout,
            "gelu",
            config.norm_eps,
            batch_first=True,
            norm_first=config.norm == "pre",
        )
        for parameter in layer.parameters():
            nn.init.normal_(parameter, std=0.3)
        layers.append(layer.eval())
    return layers


def copy_layer(theirs: nn.TransformerEncoderLayer, ours: nn.Module) -> None:
    attention = theirs.self_attn
    ours.attention.qkv.load_state_dict(
        {"weight": attention.in_proj_weight, "bias": attention.in_proj_bias}
    )
    ours.attention.out.load_state_dict(attention.out_proj.state_dict())
    ours.feed_forward[0].load_state_dict(theirs.linear1.state_dict())
    ours.feed_forward[2].load_state_dict(theirs.linear2.state_dict())
    ours.norm_attention.load_state_dict(theirs.norm1.state_dict())
    ours.norm_feed_forward.load_state_dict(theirs.norm2.state_dict())


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_equals_torch_transformer_encoder_layers(seeded, valid, norm):
    config = EncoderConfig(
        layers=2, heads=4, d_model=D_MODEL, d_hidden=37, norm=norm, norm_eps=1e-3
    )
    theirs, ours = torch_layers(config), Encoder(config).eval()
    for pair in zip(theirs, ours.layers, strict=True):
        copy_layer(*pair)
    hidden = expected = torch.randn(BATCH, LENGTH, D_MODEL)
    found, weights = ours(hidden, valid)
    for layer in theirs:
        expected = layer(expected, src_key_padding_mask=~valid)
    if norm == "pre":
        expected = nn.functional.layer_norm(expected, (D_MODEL,), eps=config.norm_eps)
    torch.testing.assert_close(found[valid], expected[valid], atol=1e-5, rtol=0)
    assert [w.shape for w in weights] == [(BATCH, 4, LENGTH, LENGTH)] * 2


def test_permuting_the_positions_permutes_the_answer(encoder, valid):
    order = torch.randperm(LENGTH)
    hidden = torch.randn(BATCH, LENGTH, D_MODEL)
    found, weights = encoder(hidden, valid)
    permuted, permuted_weights = encoder(hidden[:, order], valid[:, order])
    torch.testing.assert_close(permuted, found[:, order], atol=1e-5, rtol=0)
    for before, after in zip(weights, permuted_weights, strict=True):
        torch.testing.assert_close(after, before[:, :, order][..., order], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("norm", "score"), KINDS)
@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "none"])
def test_padding_does_not_change_the_answer(seeded, tiny, valid, positions, norm, score):
    network = Network(tiny(positions, norm=norm, score=score)).eval()
    token_ids = torch.randint(1, 23, (BATCH, LENGTH))
    together = network({"token_ids": token_ids, "valid": valid})
    for row, length in enumerate(LENGTHS):
        alone = network(
            {
                "token_ids": token_ids[row : row + 1, :length],
                "valid": valid[row : row + 1, :length],
            }
        )
        pairs = [
            (together.hidden[row, :length], alone.hidden[0]),
            (together.logits["slots"][row, :length], alone.logits["slots"][0]),
            (together.logits["intent"][row], alone.logits["intent"][0]),
            *(
                (a[row, :, :length, :length], b[0])
                for a, b in zip(together.weights, alone.weights, strict=True)
            ),
        ]
        for found, expected in pairs:
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_without_positions_the_order_of_the_words_is_unknown(seeded, tiny):
    token_ids, valid = torch.randint(1, 23, (BATCH, LENGTH)), torch.ones(BATCH, LENGTH) > 0
    order = torch.tensor([0, 3, 1, 6, 2, 5, 4])  # the first stays: the sequence head reads it
    for positions, equal in (("none", True), ("sinusoidal", False), ("learned", False)):
        network = Network(tiny(positions)).eval()
        ordered = network({"token_ids": token_ids, "valid": valid}).logits["intent"]
        shuffled = network({"token_ids": token_ids[:, order], "valid": valid}).logits["intent"]
        assert torch.allclose(ordered, shuffled, atol=1e-5) is equal


def test_every_parameter_learns(seeded, tiny, valid):
    network = Network(tiny("learned", norm="pre", score="additive"))
    output = network({"token_ids": torch.randint(1, 23, (BATCH, LENGTH)), "valid": valid})
    sum(logits.square().sum() for logits in output.logits.values()).backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []
