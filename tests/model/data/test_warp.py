import random

import numpy as np
import pytest
import torch

from model.data.examples import Example
from model.data.warp import Warper, bent, grid, looked_up

IMAGE = np.random.default_rng(7).integers(0, 256, (20, 28), np.uint8)


@pytest.fixture
def example() -> Example:
    return Example(IMAGE, {"digit": "3"})


def test_the_same_places_are_the_same_image():
    assert np.array_equal(looked_up(IMAGE, grid(*IMAGE.shape)), IMAGE)


def test_a_pixel_further_is_the_image_moved_by_one():
    places = grid(*IMAGE.shape) + np.array([2 / 20, -4 / 28])
    expected = np.zeros_like(IMAGE)
    expected[:-1, 2:] = IMAGE[1:, :-2]
    assert np.array_equal(looked_up(IMAGE, places), expected)


def test_between_pixels_it_is_as_torch_has_it():
    draw = np.random.default_rng(7)
    places = bent(grid(*IMAGE.shape), 0.2, draw) * 1.3
    pixels = torch.from_numpy(IMAGE)[None, None].double()
    expected = torch.nn.functional.grid_sample(
        pixels, torch.from_numpy(places[None, ..., ::-1].copy()), align_corners=False
    )
    found = looked_up(IMAGE, places)
    assert (found == 0).any()
    np.testing.assert_allclose(found, expected[0, 0].numpy(), atol=0.5001)


def test_the_same_generator_gives_the_same_copy(example):
    warper = Warper(1.0)
    one, same, other = (warper(example, random.Random(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one.source, same.source)
    assert not np.array_equal(one.source, other.source)
    assert one.source.shape == IMAGE.shape
    assert one.source.dtype == np.uint8
    assert one.targets == example.targets


def test_strength_0_changes_nothing_and_more_changes_more(example):
    def change(strength: float) -> float:
        copies = [Warper(strength)(smooth, random.Random(seed)).source for seed in range(20)]
        return float(np.mean([abs(copy.astype(float) - smooth.source) for copy in copies]))

    ramp = np.linspace(0, 255, 28).astype(np.uint8)
    smooth = Example(np.tile(ramp, (28, 1)), {})
    assert change(0.0) == 0
    assert 0 < change(0.1) < change(0.3) < change(1.0)


def test_what_is_bent_moves_by_as_much_as_was_asked():
    draw = np.random.default_rng(7)
    flat = grid(28, 28)
    moves = np.concatenate([bent(flat, 0.1, draw) - flat for _ in range(50)])
    assert 0.05 < moves.std() < 0.2
    steps = np.diff(moves, axis=1)
    assert abs(steps).max() < 0.1  # smooth: neighbours go together
