import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.config import SpeechConfig
from model.errors import InputError
from model.preprocess.speech import HOP, SpeechPreprocessor, mel_filters

CONFIG = SpeechConfig(modality="speech", mels=23, stack=3)


@pytest.fixture
def preprocessor() -> SpeechPreprocessor:
    return SpeechPreprocessor(CONFIG, max_length=700)


def noise(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, length).astype(np.float32)


def vectors(preprocessor: SpeechPreprocessor, samples: np.ndarray) -> np.ndarray:
    return preprocessor.encode(samples).arrays["vectors"]


def direct(samples: np.ndarray, config: SpeechConfig) -> np.ndarray:
    """The same features of a short recording by a direct DFT and loops, in float64."""
    length = -(-len(samples) // 160)
    frames = length * HOP
    fft = 512
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(200) / 200)
    dft = np.exp(-2j * np.pi * np.outer(np.arange(fft // 2 + 1), np.arange(200)) / fft)
    filters = mel_filters(config.mels, fft, 8000).astype(float)
    energies = []
    for frame in range(frames):
        piece = np.zeros(200)
        for i in range(200):
            if 0 <= (sample := frame * 80 + 40 - 100 + i) < len(samples):
                piece[i] = samples[sample]
        spectrum = np.abs(dft @ (piece * window)) ** 2 / (np.square(window).sum() * fft / 2)
        energies.append(spectrum @ filters)
    energies = np.array(energies)
    level, loudness = max(energies.mean(), 1e-11), energies.mean(axis=1)
    heard = loudness / (loudness + 0.1 * level)
    logs = np.log10(energies / level + 1e-4)
    logs -= sum(weight * row for weight, row in zip(heard, logs, strict=True)) / heard.sum()
    rows = []
    for position in range(length):
        around = [min(frames - 1, position * HOP + i) for i in range(config.stack)]
        rows.append(np.concatenate([logs[frame] for frame in around]))
    return np.array(rows)


@pytest.mark.parametrize("length", [1, 79, 160, 161, 1599, 8000])
def test_equals_a_direct_dft(preprocessor, length):
    samples = noise(length)
    encoded = vectors(preprocessor, samples)
    expected = direct(samples, CONFIG)
    assert encoded.dtype == np.float32
    assert encoded.shape == expected.shape
    np.testing.assert_allclose(encoded, expected, atol=1e-4)


def test_long_recordings_are_transformed_in_blocks_without_a_seam(preprocessor, monkeypatch):
    samples = noise(16_000)
    whole = vectors(preprocessor, samples)
    monkeypatch.setattr("model.preprocess.speech.BLOCK", 7)
    np.testing.assert_allclose(vectors(preprocessor, samples), whole, atol=1e-5)


def test_filters_are_triangles_between_their_neighbours_middles():
    filters = mel_filters(20, 4096, 8000)
    middles = filters.argmax(axis=0) * 8000 / 4096
    low, top = (2595 * np.log10(1 + hertz / 700) for hertz in (100, 4000))
    mels = [low + (top - low) * (i + 1) / 21 for i in range(20)]
    expected = [700 * (10 ** (mel / 2595) - 1) for mel in mels]
    np.testing.assert_allclose(middles, expected, atol=1.0)
    between = slice(filters[:, 0].argmax() + 1, filters[:, -1].argmax() + 1)
    np.testing.assert_allclose(filters[between].sum(axis=1), 1, atol=1e-5)


def test_a_tone_is_loudest_in_the_filter_of_its_frequency():
    config = SpeechConfig(modality="speech", mels=40, stack=1)
    preprocessor = SpeechPreprocessor(config, max_length=50)
    filters = mel_filters(40, 512, 8000)
    for hertz in (300, 1000, 2500, 3700):
        tone = np.sin(2 * np.pi * hertz * np.arange(8000) / 8000).astype(np.float32)
        loudest = vectors(preprocessor, tone)[25].argmax()
        assert loudest == filters[round(hertz * 512 / 8000)].argmax()


@pytest.mark.parametrize("gain", [1e-2, 0.2, 10.0])
def test_loudness_does_not_matter(preprocessor, gain):
    samples = noise(4000)
    louder = vectors(preprocessor, samples * np.float32(gain))
    np.testing.assert_allclose(louder, vectors(preprocessor, samples), atol=1e-2)


def test_a_word_in_a_long_recording_is_what_it_is_alone(preprocessor):
    word = noise(4000)
    silence = np.zeros(32_000, np.float32)
    others = (50 * noise(16_000, seed=1)).clip(-16, 16)
    alone = vectors(preprocessor, np.concatenate([silence, word, silence]))
    among = vectors(preprocessor, np.concatenate([others, silence, word, silence, others]))
    np.testing.assert_allclose(among[300:325], alone[200:225], atol=1e-4)


def test_silence_after_a_loud_sound_is_still_silence(preprocessor):
    samples = np.concatenate([noise(80_000) * 100, np.zeros(30_000, np.float32)]).clip(-16, 16)
    assert (vectors(preprocessor, samples)[-40:] == -4).all()


def test_silence_is_a_recording_too(preprocessor):
    assert (vectors(preprocessor, np.zeros(800, np.float32)) == -4).all()


@given(st.integers(1, 5000), st.integers(1, 7))
def test_there_is_a_position_for_every_20_ms_begun(length, stack):
    config = SpeechConfig(modality="speech", mels=5, stack=stack)
    encoded = SpeechPreprocessor(config, max_length=200).encode(noise(length))
    assert encoded.length == -(-length // 160)
    assert encoded.arrays["vectors"].shape == (encoded.length, config.width)
    assert [*encoded.labelled] == [*range(encoded.length)]
    assert np.isfinite(encoded.arrays["vectors"]).all()


def test_positions_are_placed_in_seconds(preprocessor):
    assert preprocessor.place(0, 1) == {"start_s": 0.0, "end_s": 0.02}
    assert preprocessor.place(5, 15) == {"start_s": 0.1, "end_s": 0.3}


def test_a_recording_may_be_as_long_as_the_network_takes(preprocessor):
    assert preprocessor.encode(noise(112_000)).length == 700
    with pytest.raises(InputError, match=r"is 14\.1 s long; at most 14\.0 s are allowed"):
        preprocessor.encode(noise(112_800))


@pytest.mark.parametrize(
    "samples", [[], [[0.1, 0.2]], [0.1, np.nan], [0.1, np.inf], [-np.inf], [0, 16.1]]
)
def test_what_is_no_recording_is_refused(preprocessor, samples):
    with pytest.raises(InputError, match="sample"):
        preprocessor.encode(np.array(samples, np.float32))
