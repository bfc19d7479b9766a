"""Samples -> log-mel vectors, one a position; the same code in training and in serving.

A frame is a window of 25 ms, one every 10 ms; a position is 20 ms long and shows the network the
frames around its middle. What a vector is depends on the 3 s to either side of it alone, so a word
in a long recording is the same as in a short one.
"""

import numpy as np
from numpy.typing import NDArray

from model.config import SpeechConfig
from model.errors import InputError
from model.preprocess.batch import Place
from model.preprocess.vectors import EncodedVectors

Floats = NDArray[np.float32]

FRAMES_A_SECOND = 100
HOP = 2  # frames from one position to the next
POSITIONS_A_SECOND = FRAMES_A_SECOND // HOP
WINDOW_S = 0.025
LOUDEST = 16.0  # full scale is 1; sound files of floats may go beyond it
AROUND_S = 1.5  # before and after: their loudness is taken as 1, and what is heard of them as 0
LOWEST_HZ = 100  # mains hum and rumble say nothing
FLOOR = 1e-4  # of that loudness: what is softer counts as silence
SOFT = 0.1  # of that loudness: a frame of it is half heard
SILENCE = 1e-11  # mean square; digital silence is not divided by zero
BLOCK = 4096  # frames transformed at a time, so that a long recording needs little memory


class SpeechPreprocessor:
    """Holds the window and the filters; encodes one recording at a time. Threads may share it.

    Args:
        config: sample rate, filters, frames that a position shows.
        max_length: positions a network takes.
    """

    def __init__(self, config: SpeechConfig, max_length: int):
        self.config, self.max_length = config, max_length
        self.step = config.rate // FRAMES_A_SECOND
        size = round(WINDOW_S * config.rate)
        self.fft = 1 << (2 * size - 1).bit_length()
        window = np.hanning(size + 1)[:-1]
        self.window = (window / np.sqrt((window**2).sum() * self.fft / 2)).astype(np.float32)
        self.filters = mel_filters(config.mels, self.fft, config.rate)

    def encode(self, source: Floats) -> EncodedVectors:
        """Samples (n,) -> `vectors` float32 (length, stack * mels), one for every 20 ms begun.

        Raises:
            InputError: there is no sample, there are too many, or one is not a number or too large.
        """
        if source.ndim != 1 or not source.size:
            raise InputError("there is no sample; a recording has at least one")
        length = -(-len(source) // (HOP * self.step))
        if length > self.max_length:
            raise InputError(
                f"the recording is {len(source) / self.config.rate:.1f} s long; at most "
                f"{self.max_length / POSITIONS_A_SECOND:.1f} s are allowed"
            )
        check_loudness(source)
        energies = self._energies(source.astype(np.float32), length * HOP)
        return EncodedVectors({"vectors": self._stacked(_normalised(energies))})

    def place(self, start: int, end: int) -> Place:
        """From the start of the first position to the end of the last."""
        return {"start_s": start / POSITIONS_A_SECOND, "end_s": end / POSITIONS_A_SECOND}

    def _energies(self, samples: Floats, frames: int) -> Floats:
        """(n,) -> (frames, mels), each frame around the middle of its 10 ms."""
        size = len(self.window)
        before = (size - self.step) // 2
        padded = np.zeros((frames - 1) * self.step + size, np.float32)
        padded[before : before + len(samples)] = samples
        windows = np.lib.stride_tricks.sliding_window_view(padded, size)[:: self.step]
        blocks = []
        for start in range(0, frames, BLOCK):
            spectra = np.fft.rfft(windows[start : start + BLOCK] * self.window, self.fft)
            blocks.append((spectra.real**2 + spectra.imag**2) @ self.filters)
        return np.concatenate(blocks)

    def _stacked(self, frames: Floats) -> Floats:
        """(frames, mels) -> (length, stack * mels); beyond the ends the last frame goes on."""
        more = max(0, self.config.stack - HOP)
        padded = np.pad(frames, ((more // 2, more - more // 2), (0, 0)), "edge")
        views = np.lib.stride_tricks.sliding_window_view(padded, self.config.stack, axis=0)[::HOP]
        return np.ascontiguousarray(views.transpose(0, 2, 1)).reshape(len(views), -1)


def check_loudness(samples: Floats) -> None:
    """Check samples of any shape.

    Raises:
        InputError: one is not a number or too large.
    """
    if not np.abs(samples).max() <= LOUDEST:
        raise InputError(f"every sample must be a number from -{LOUDEST:g} to {LOUDEST:g}")


def mel_filters(mels: int, fft: int, rate: int) -> Floats:
    """Triangles equally wide in mel = 2595 log10(1 + f / 700) (O'Shaughnessy 1987), side by side.

    Returns:
        float32 (fft / 2 + 1, mels): how much each filter takes of each frequency; 1 at its middle.
    """
    ends = 2595 * np.log10(1 + np.array([LOWEST_HZ, rate / 2]) / 700)
    edges = 700 * (10 ** (np.linspace(*ends, mels + 2) / 2595) - 1)
    frequencies = np.arange(fft // 2 + 1)[:, None] * rate / fft
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def _normalised(energies: Floats) -> Floats:
    """Logarithms of energies (frames, mels), less their mean over the time around.

    The mean is that of cepstral mean normalisation (Atal 1974): it takes the microphone away. Each
    frame counts for how far it is heard, so that silence changes nothing.
    """
    loudness = energies.mean(axis=1, keepdims=True)
    level = np.maximum(_moving_mean(loudness), np.float32(SILENCE))
    heard = loudness / (loudness + SOFT * level)
    logs = np.log10(energies / level + np.float32(FLOOR))
    return logs - _moving_mean(heard * logs) / np.maximum(_moving_mean(heard), np.float32(SILENCE))


def _moving_mean(values: Floats) -> Floats:
    """(frames, features) -> the mean of each row and of those around it."""
    reach = round(AROUND_S * FRAMES_A_SECOND)
    total = np.cumsum(np.pad(values, ((1, 0), (0, 0))), axis=0, dtype=np.float64)
    here = np.arange(len(values))
    start, stop = np.maximum(0, here - reach), np.minimum(len(values), here + reach + 1)
    return ((total[stop] - total[start]) / (stop - start)[:, None]).astype(np.float32)
