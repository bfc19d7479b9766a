import math

import pytest
import torch

from model.positions import PositionEmbedding, sinusoidal


@pytest.mark.parametrize("d_model", [20, 5])
def test_sinusoidal_equals_the_formula(d_model):
    table = sinusoidal(11, d_model)
    for position in range(11):
        for feature in range(d_model):
            angle = position / 10000 ** (2 * (feature // 2) / d_model)
            expected = math.cos(angle) if feature % 2 else math.sin(angle)
            assert table[position, feature].item() == pytest.approx(expected, abs=1e-5)


def test_sinusoidal_adds_the_table_and_has_nothing_to_learn_or_to_store():
    layer = PositionEmbedding("sinusoidal", 11, 20)
    hidden = torch.ones(3, 7, 20)
    expected = (hidden + sinusoidal(11, 20)[:7]).expand(3, 7, 20)
    assert torch.equal(layer(hidden), expected)
    assert not list(layer.parameters())
    assert not layer.state_dict()


def test_learned_adds_a_parameter_for_each_position(seeded):
    layer = PositionEmbedding("learned", 11, 20)
    added = layer(torch.zeros(3, 7, 20))
    assert torch.equal(added[0], layer.table[:7])
    assert torch.equal(added[0], added[2])
    added.sum().backward()
    assert layer.table.grad[:7].eq(3).all()
    assert layer.table.grad[7:].eq(0).all()


def test_none_adds_nothing():
    layer = PositionEmbedding("none", 11, 20)
    hidden = torch.randn(3, 7, 20)
    assert torch.equal(layer(hidden), hidden)
    assert not list(layer.parameters())
