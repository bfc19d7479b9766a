"""Changes to training images that leave what is seen: turned, stretched, slanted, moved and bent.

Deterministic given the random generator.
"""

import math
import random
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from model.data.examples import Example

# How far at most, at a strength of 1: of radians, of a log size, of a slope, of half an image.
TURN, STRETCH, SLANT, MOVE = 0.26, 0.15, 0.2, 0.18
BEND = 0.07  # deviation of where the points of a coarse grid go, in halves of an image
GRID = 6  # points of that grid to a side


class Warper:
    """Draws a changed copy of each training image.

    Args:
        strength: of all changes.
    """

    def __init__(self, strength: float):
        self.strength = strength

    def __call__(self, example: Example, rng: random.Random) -> Example:
        """A changed copy of the example."""
        draw = np.random.default_rng(rng.getrandbits(64))
        places = grid(*example.source.shape)
        places = bent(places, self.strength * draw.random() * BEND, draw)
        places = places @ _linear(self.strength, draw).T
        places = places + self.strength * draw.uniform(-MOVE, MOVE, 2)
        return replace(example, source=looked_up(example.source, places))


def grid(rows: int, columns: int) -> NDArray[np.float64]:
    """Where each pixel is (rows, columns, 2): down and right, from -1 to 1."""
    down, right = (2 * (np.arange(size) + 0.5) / size - 1 for size in (rows, columns))
    return np.stack(np.meshgrid(down, right, indexing="ij"), axis=-1)


def bent(
    places: NDArray[np.float64], deviation: float, draw: np.random.Generator
) -> NDArray[np.float64]:
    """Each place moved by a smooth field (Simard et al. 2003, section 2)."""
    points = np.linspace(-1, 1, GRID)
    down, right = (
        np.exp(-0.5 * ((side[:, None] - points) * GRID / 2) ** 2)
        for side in (places[:, 0, 0], places[0, :, 1])
    )
    field = draw.normal(0, deviation, (2, GRID, GRID))
    return places + np.moveaxis(down @ field @ right.T, 0, -1)


def _linear(strength: float, draw: np.random.Generator) -> NDArray[np.float64]:
    """A turn, a slant and a stretch of each side: (2, 2)."""
    turn, slant = strength * draw.uniform(-TURN, TURN), strength * draw.uniform(-SLANT, SLANT)
    turned = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    stretched = np.diag(np.exp(strength * draw.uniform(-STRETCH, STRETCH, 2)))
    return stretched @ turned @ np.array([[1.0, 0.0], [slant, 1.0]])


def looked_up(image: NDArray[np.uint8], places: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The greys at those places, between pixels in proportion; black outside."""
    shape = np.array(image.shape)
    padded = np.pad(image, 1).astype(np.float64)
    spots = ((places + 1) / 2 * shape + 0.5).clip(0, shape + 0.999)
    first = spots.astype(np.int64)
    (down, right), (low, left) = np.moveaxis(spots - first, -1, 0), np.moveaxis(first, -1, 0)
    upper = padded[low, left] * (1 - right) + padded[low, left + 1] * right
    lower = padded[low + 1, left] * (1 - right) + padded[low + 1, left + 1] * right
    return (upper * (1 - down) + lower * down).round().astype(np.uint8)
