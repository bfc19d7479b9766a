import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.data.distort import Distorter, coloured, faster, noisy, quicker
from model.data.examples import Example
from model.training_config import AugmentConfig

RATE, STEP = 8000, 160


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE).astype(np.float32)


def pitch(samples: np.ndarray) -> float:
    """The strongest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * RATE / len(samples))


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_faster_is_shorter_and_higher(factor):
    changed = faster(tone(400), factor)
    assert len(changed) == pytest.approx(RATE / factor, abs=1)
    assert pitch(changed) == pytest.approx(400 * factor, abs=2)


@pytest.mark.parametrize("factor", [0.75, 0.9, 1.0, 1.1, 1.33])
def test_quicker_is_shorter_but_no_higher_nor_rougher(factor):
    changed = quicker(tone(400), factor)
    assert len(changed) == pytest.approx(RATE / factor, abs=1)
    assert pitch(changed) == pytest.approx(400, abs=2)
    middle = changed[300:-300]
    assert np.sqrt((middle**2).mean()) == pytest.approx(np.sqrt(0.5), rel=0.02)
    assert np.abs(middle).max() < 1.05


def test_quicker_keeps_the_order_of_what_is_heard():
    melody = np.concatenate([tone(hertz, 0.4) for hertz in (300, 700, 500)])
    changed = quicker(melody, 1.25)
    thirds = [part[400:-400] for part in np.array_split(changed, 3)]
    assert [pitch(part) for part in thirds] == pytest.approx([300, 700, 500], abs=8)


def test_coloured_makes_each_frequency_as_loud_as_its_cosines_say():
    waves_db = np.array([6.0, -3.0, 0.0, 2.0])
    for hertz in (400, 1000, 2000, 3000):
        place = np.pi * hertz / (RATE / 2)
        expected_db = sum(db * np.cos((i + 1) * place) for i, db in enumerate(waves_db))
        before, after = tone(hertz), coloured(tone(hertz), waves_db)
        middle = slice(1000, -1000)
        found = np.sqrt((after[middle] ** 2).mean() / (before[middle] ** 2).mean())
        assert 20 * np.log10(found) == pytest.approx(expected_db, abs=0.1)


def test_noise_is_as_far_below_the_sound_as_it_should():
    sound = tone(400, 4)
    noise = noisy(sound, 20.0, np.random.default_rng(0)) - sound
    assert 10 * np.log10((sound**2).mean() / (noise**2).mean()) == pytest.approx(20, abs=0.2)
    halves = np.abs(np.fft.rfft(noise)).reshape(-1)[1:].reshape(2, -1)
    assert (halves[0] ** 2).mean() == pytest.approx((halves[1] ** 2).mean(), rel=0.1)


def test_targets_of_positions_move_with_the_sound():
    sound = np.concatenate([tone(300, 0.6), tone(1500, 0.4)])
    targets = {"frames": ("low",) * 30 + ("high",) * 20, "who": "ann", "digits": ("1", "2")}
    distort = Distorter(AugmentConfig(pitch=0.2, tempo=0.25), ("frames",), STEP)
    lengths = set()
    for seed in range(8):
        changed = distort(Example(sound, targets), random.Random(seed))
        frames = changed.targets["frames"]
        lengths.add(len(frames))
        assert len(frames) == -(-len(changed.source) // STEP)
        assert changed.targets | {"frames": ()} == targets | {"frames": ()}
        pitches = [pitch(changed.source[i * STEP : (i + 1) * STEP]) for i in range(len(frames) - 1)]
        heard = ["low" if hertz < 700 else "high" for hertz in pitches]
        assert sum(a != b for a, b in zip(heard, frames, strict=False)) <= 2
    assert len(lengths) > 4


def test_the_same_generator_gives_the_same_and_the_example_stays():
    example = Example(tone(400), {"frames": ("a",) * 50})
    distort = Distorter(AugmentConfig(pitch=0.1, colour_db=3, noise=0.9), ("frames",), STEP)
    one, again, other = (distort(example, random.Random(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.source, again.source)
    assert not np.array_equal(one.source, other.source)
    np.testing.assert_array_equal(example.source, tone(400))


@given(st.integers(1, 3000), st.integers(0, 2**32))
def test_any_sound_can_be_distorted(length, seed):
    sound = np.random.default_rng(seed).normal(size=length).astype(np.float32)
    config = AugmentConfig(pitch=0.4, tempo=0.4, colour_db=6, noise=0.5)
    example = Example(sound, {"frames": tuple(range(-(-length // STEP)))})
    changed = Distorter(config, ("frames",), STEP)(example, random.Random(seed))
    assert changed.source.dtype == np.float32
    assert changed.source.size
    assert np.isfinite(changed.source).all()
    frames = changed.targets["frames"]
    assert [*frames] == sorted(frames)
