"""The bytes of a sound file -> samples, and from any sample rate to another."""

import io
from math import gcd

import numpy as np
import soundfile
from numpy.typing import NDArray

from model.errors import InputError
from model.preprocess.speech import check_loudness

Floats = NDArray[np.float32]

LOWEST_HZ, HIGHEST_HZ = 4000, 48_000
MOST_CHANNELS = 8
BLOCK_S = 10
MARKS = (b"RIFF", b"fLaC", b"OggS")  # nothing else gets to see libsndfile's other decoders
ZEROS = 10  # crossings of the sinc on either side, at the lower of the two rates
BETA = 5.0  # of the Kaiser window over them


def decode(data: bytes, longest_s: float) -> tuple[Floats, int]:
    """WAV, FLAC or Ogg; channels are averaged.

    Args:
        data: the whole file.
        longest_s: seconds; no more is decoded, whatever the file claims to hold.

    Returns:
        samples: float32 (n,), full scale is 1
        rate: Hz

    Raises:
        InputError: this is no sound file, or one that is empty, too long, or out of the ordinary.
    """
    if not data.startswith(MARKS):
        raise InputError("not a sound file: a WAV, FLAC or Ogg file is wanted")
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate, channels = file.samplerate, file.channels
            if not LOWEST_HZ <= rate <= HIGHEST_HZ:
                raise InputError(
                    f"the sample rate is {rate} Hz; allowed are {LOWEST_HZ} to {HIGHEST_HZ}"
                )
            if channels > MOST_CHANNELS:
                raise InputError(f"{channels} channels; allowed are 1 to {MOST_CHANNELS}")
            most = int(round(longest_s * rate, 3))  # 0.58 * 48000 is a little less than it is
            samples = _mono(file, most + 1)
    except soundfile.SoundFileError as error:
        raise InputError(f"not a sound file that can be read: {error}") from error
    if not samples.size:
        raise InputError("the sound file holds no samples")
    if len(samples) > most:
        raise InputError(f"the recording is longer than {longest_s:g} s, the most that is allowed")
    return samples, rate


def _mono(file: soundfile.SoundFile, most: int) -> Floats:
    """Up to `most` samples, block by block, so that memory follows what is really there."""
    parts, left = [np.zeros(0, np.float32)], most
    while left and len(block := file.read(min(left, BLOCK_S * file.samplerate), "float32", True)):
        check_loudness(block)
        parts.append(block.mean(axis=1))
        left -= len(block)
    return np.concatenate(parts)


def resample(samples: Floats, rate: int, wanted: int) -> Floats:
    """(n,) at `rate` Hz -> (ceil(n * wanted / rate),) at `wanted` Hz.

    A windowed sinc that passes what both rates can hold, one short filter for each place that an
    output sample can have between two input samples (Crochiere and Rabiner 1983, section 2.4).
    """
    common = gcd(rate, wanted)
    up, down = wanted // common, rate // common
    if up == down:
        return samples
    reach = ZEROS * max(1.0, down / up)  # input samples on either side of an output sample
    taps = int(np.ceil(reach))
    padded = np.pad(samples, taps)
    views = np.lib.stride_tricks.sliding_window_view(padded, 2 * taps + 1)
    output = np.empty(-(-len(samples) * up // down), np.float32)
    offsets = np.arange(-taps, taps + 1)
    gain = _sinc(np.arange(-ZEROS * max(up, down), ZEROS * max(up, down) + 1) / up, reach).sum()
    for first in range(min(up, len(output))):
        here, phase = divmod(first * down, up)
        taken = views[here::down]
        kernel = _sinc(offsets - phase / up, reach) * (up / gain)
        output[first::up] = taken[: len(output[first::up])] @ kernel.astype(np.float32)
    return output


def _sinc(offsets: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """The low pass at input samples `offsets` from its middle; 0 beyond `reach`."""
    window = np.i0(BETA * np.sqrt(np.maximum(0, 1 - (offsets / reach) ** 2)))
    return np.where(np.abs(offsets) <= reach, window * np.sinc(offsets * ZEROS / reach), 0.0)
