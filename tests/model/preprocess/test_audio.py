import io
from math import gcd

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import resample_poly

from model.errors import InputError
from model.preprocess.audio import decode, resample


def sound(samples, rate=8000, form="WAV", subtype=None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype, format=form)
    return file.getvalue()


def tone(seconds: float, rate: int, hertz: float = 300.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate).astype(np.float32)


@pytest.mark.parametrize("form", ["WAV", "FLAC"])
def test_lossless_files_give_their_very_samples(form):
    written = np.random.default_rng(0).integers(-(2**15), 2**15, 4001).astype(np.int16)
    samples, rate = decode(sound(written, 16000, form), longest_s=1)
    assert rate == 16000
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples * 2**15, written)


def test_a_lossy_file_gives_nearly_its_samples():
    written = 0.5 * tone(1, 16000)
    samples, rate = decode(sound(written, 16000, "OGG"), longest_s=3)
    assert rate == 16000
    assert np.corrcoef(samples[4000:12000], written[4000:12000])[0, 1] > 0.99


def test_channels_are_averaged():
    left, right = np.random.default_rng(1).uniform(-1, 1, (2, 90_000)).astype(np.float32)
    samples, _ = decode(sound(np.stack([left, right], 1), subtype="FLOAT"), longest_s=12)
    np.testing.assert_allclose(samples, (left + right) / 2, atol=1e-7)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("longest_s", [0.58, 0.7, 1, 1.14])
def test_a_recording_may_be_as_long_as_allowed_but_no_longer(rate, longest_s):
    most = round(100 * longest_s) * rate // 100
    assert len(decode(sound(np.zeros(most), rate), longest_s)[0]) == most
    with pytest.raises(InputError, match=f"longer than {longest_s:g} s"):
        decode(sound(np.zeros(most + 1), rate), longest_s)


def test_a_header_that_claims_more_than_there_is_costs_nothing():
    data = bytearray(sound(np.full(100, 0.5)))
    data[4:8] = data[40:44] = (2**31 - 1).to_bytes(4, "little")
    assert len(decode(bytes(data), longest_s=1)[0]) == 100


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not a sound file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a sound file"),
        (sound(np.zeros(100))[:20], "not a sound file"),
        (sound(np.zeros(100), form="AIFF"), "a WAV, FLAC or Ogg file is wanted"),
        (sound(np.zeros(0)), "holds no samples"),
        (sound(np.zeros(100), rate=3999), "3999 Hz; allowed are 4000 to 48000"),
        (sound(np.zeros(100), rate=96_000), "96000 Hz; allowed are 4000 to 48000"),
        (sound(np.zeros((100, 9))), "9 channels; allowed are 1 to 8"),
    ],
    ids=["nothing", "image", "cut header", "another", "empty", "slow", "fast", "channels"],
)
def test_what_cannot_be_used_is_refused_with_the_reason(data, says):
    with pytest.raises(InputError, match=says):
        decode(data, longest_s=1)


@given(st.binary(max_size=80), st.integers(0, 200), st.sampled_from(["WAV", "FLAC", "OGG"]))
def test_a_damaged_file_is_decoded_or_refused(garbage, place, form):
    data = bytearray(sound(tone(0.1, 8000), form=form))
    data[place : place + len(garbage)] = garbage
    try:
        samples, _ = decode(bytes(data), longest_s=1)
    except InputError:
        return
    assert samples.ndim == 1
    assert samples.size


@pytest.mark.parametrize("rate", [4000, 6000, 11025, 16000, 22050, 44056, 44100, 48000])
def test_resampling_equals_scipy(rate):
    samples = np.random.default_rng(rate).normal(size=rate // 3 + 5).astype(np.float32)
    common = gcd(rate, 8000)
    expected = resample_poly(samples.astype(float), 8000 // common, rate // common)
    found = resample(samples, rate, 8000)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5)


@given(st.integers(1, 60), st.integers(4000, 48_000))
def test_the_shortest_recordings_can_be_resampled(length, rate):
    found = resample(np.ones(length, np.float32), rate, 8000)
    assert len(found) == -(-length * 8000 // rate)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("rate", [11025, 44100, 48000])
def test_a_tone_stays_the_tone_and_what_is_too_high_goes(rate):
    inside = slice(800, -800)
    found = resample(tone(1, rate, 1000), rate, 8000)
    np.testing.assert_allclose(found[inside], tone(1, 8000, 1000)[inside], atol=2e-3)
    assert np.abs(resample(tone(1, rate, 5300), rate, 8000)[inside]).max() < 5e-3
