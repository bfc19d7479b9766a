"""Changes to training sounds that leave what is said: other voices, paces, microphones, rooms.

Deterministic given the random generator.
"""

import random
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from model.data.examples import Example
from model.training_config import AugmentConfig

Floats = NDArray[np.float32]

PIECE, SEARCH = 256, 64  # samples: what is repeated or left out at once; how far it may move
WAVES = 4  # in a frequency response
NOISE_DB = 5.0, 40.0  # below the sound


class Distorter:
    """Draws a changed copy of each training example.

    Args:
        config: how far each change may go.
        heads: those with a target for every position; the targets move with the sound.
        step: samples from one position to the next.
    """

    def __init__(self, config: AugmentConfig, heads: tuple[str, ...], step: int):
        self.config, self.heads, self.step = config, heads, step

    def __call__(self, example: Example, rng: random.Random) -> Example:
        """A changed copy of the example."""
        draw = np.random.default_rng(rng.getrandbits(64))
        config, samples = self.config, example.source
        samples = faster(samples, np.exp(draw.uniform(-config.pitch, config.pitch)))
        samples = quicker(samples, np.exp(draw.uniform(-config.tempo, config.tempo)))
        samples = coloured(samples, draw.normal(0, config.colour_db, WAVES))
        if draw.random() < config.noise:
            samples = noisy(samples, draw.uniform(*NOISE_DB), draw)
        positions = -(-len(samples) // self.step)
        moved = {
            head: tuple(target[int((i + 0.5) / positions * len(target))] for i in range(positions))
            for head, target in example.targets.items()
            if head in self.heads
        }
        return replace(example, source=samples, targets={**example.targets, **moved})


def faster(samples: Floats, factor: float) -> Floats:
    """Played at another speed: shorter and higher by `factor` (Ko et al. 2015)."""
    length = max(1, round(len(samples) / factor))
    places = np.arange(length) * factor
    return np.interp(places, np.arange(len(samples)), samples).astype(np.float32)


def quicker(samples: Floats, factor: float) -> Floats:
    """Shorter by `factor` at the same pitch: pieces are overlapped where they fit best.

    WSOLA (Verhelst and Roelands 1993); what is shorter than a few pieces stays as it is.
    """
    length = int(len(samples) / factor)
    if length < 3 * PIECE:
        return samples
    step, fade = PIECE // 2, np.hanning(PIECE + 1)[:-1].astype(np.float32)
    padded = np.pad(samples, (0, 2 * PIECE + SEARCH))
    output, taken = np.zeros(length + PIECE, np.float32), 0
    output[:step] = samples[:step] * (1 - fade[:step])
    for start in range(0, length, step):
        if start:
            follows = padded[taken + step : taken + step + PIECE]
            first = max(0, min(round(start * factor), len(samples)) - SEARCH)
            fits = np.correlate(padded[first : first + 2 * SEARCH + PIECE], follows, "valid")
            taken = min(first + int(fits.argmax()), len(samples))
        output[start : start + PIECE] += fade * padded[taken : taken + PIECE]
    return output[:length]


def coloured(samples: Floats, waves_db: NDArray[np.float64]) -> Floats:
    """Through a smooth frequency response: the sum of cosines so high, each a half wave shorter."""
    size = 1 << len(samples).bit_length()
    spectrum = np.fft.rfft(samples, size)
    place = np.linspace(0, np.pi, len(spectrum))
    response_db = np.cos(np.outer(place, np.arange(1, len(waves_db) + 1))) @ waves_db
    changed = np.fft.irfft(spectrum * 10 ** (response_db / 20), size)
    return changed[: len(samples)].astype(np.float32)


def noisy(samples: Floats, below_db: float, draw: np.random.Generator) -> Floats:
    """With white noise so far below its loudness."""
    loudness = np.sqrt(np.mean(samples**2)) * 10 ** (-below_db / 20)
    return samples + loudness * draw.standard_normal(len(samples), np.float32)
