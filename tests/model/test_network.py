import torch

from model.config import HeadConfig
from model.network import Network


def arrays(token_ids: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"token_ids": token_ids, "valid": torch.ones_like(token_ids) > 0}


def test_axes_are_as_promised(tiny):
    output = Network(tiny())(arrays(torch.ones(3, 7, dtype=torch.int64)))
    assert output.hidden.shape == (3, 7, 20)
    assert [weights.shape for weights in output.weights] == [(3, 4, 7, 7)] * 2
    assert {name: tuple(logits.shape) for name, logits in output.logits.items()} == {
        "slots": (3, 7, 6),
        "intent": (3, 9),
    }


def test_logits_come_in_the_order_of_the_heads(tiny):
    network = Network(tiny())
    output = network(arrays(torch.ones(1, 2, dtype=torch.int64)))
    assert list(output.logits) == [head.name for head in network.config.heads]


def test_heads_read_the_same_hidden(seeded, tiny):
    network = Network(tiny()).eval()
    output = network(arrays(torch.randint(0, 23, (3, 7))))
    for name, head in network.heads.items():
        torch.testing.assert_close(output.logits[name], head(output.hidden, torch.ones(3, 7) > 0))


def test_token_embedding_is_normalised_after_its_position_is_added(seeded, tiny):
    network = Network(tiny("learned")).eval()
    token_ids = torch.randint(0, 23, (3, 7))
    hidden = network.frontend(arrays(token_ids))
    table = network.frontend.tokens.weight
    added = table[token_ids[2, 5]] + network.frontend.positions.table[5]
    expected = (added - added.mean()) / added.std(correction=0)
    torch.testing.assert_close(hidden[2, 5], expected, atol=1e-4, rtol=0)


def with_feedback(tiny) -> Network:
    config = tiny(layers=3, norm="pre", dropout=0.0)
    said = HeadConfig(name="said", kind="ctc", labels=("_", *"abcd"), feedback=(1, 2))
    return Network(config.model_copy(update={"heads": (*config.heads, said)})).eval()


def test_what_a_head_reads_early_goes_into_the_next_layer(seeded, tiny):
    network, given = with_feedback(tiny), arrays(torch.randint(0, 23, (3, 7)))
    valid, head, encoder = given["valid"], network.heads["said"], network.encoder
    hidden = network.frontend(given)
    early = []
    for layer in encoder.layers:
        hidden, _ = layer(hidden, valid, None)
        if len(early) < 2:
            early.append(encoder.norm(hidden) @ head.linear.weight.T + head.linear.bias)
            hidden = hidden + head.feedback(early[-1].exp() / early[-1].exp().sum(-1, keepdim=True))
    output = network(given)
    torch.testing.assert_close(output.hidden, encoder.norm(hidden))
    torch.testing.assert_close(output.early["said"], early)
    assert output.early["slots"] == []


def test_an_early_reading_is_trained_as_the_last_one_is(seeded, tiny):
    network = with_feedback(tiny)
    output = network(arrays(torch.randint(0, 23, (3, 7))))
    sum(logits.square().sum() for logits in output.early["said"]).backward()
    assert network.encoder.layers[0].feed_forward[0].weight.grad.abs().sum() > 0
    assert network.encoder.layers[2].feed_forward[0].weight.grad is None
