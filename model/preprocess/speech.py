"""Samples -> log-mel vectors, one a position; the same code in training and in serving.

A frame is a window of 25 ms, one every 10 ms; a position is two frames long and shows the network
the four around its middle. What a vector is depends on the 1.5 s to either side of it alone, so a
word in a long recording is the same as in a short one.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from model.config import Config
from model.errors import InputError

Floats = NDArray[np.float32]

LOUDEST = 65536.0  # 16-bit samples that nobody scaled are welcome; infinity is not
FRAME_S, STEP_S = 0.025, 0.01
HOP, STACK = 2, 4  # frames from one position to the next, and frames that a position shows
POSITION_S = HOP * STEP_S
LEVEL_S = 1.5  # the loudness of so much before and after is taken as 1
FLOOR = 1e-4  # of that loudness: what is softer counts as silence
SILENCE = 1e-11  # mean square; digital silence is not divided by zero
BLOCK = 4096  # frames transformed at a time, so that a long recording needs little memory


class SpeechConfig(Config):
    """The numbers a network was trained with."""

    rate_hz: int = Field(default=8000, ge=8000, le=48000)
    mels: int = Field(default=40, gt=0, description="filters, from 0 Hz to half the rate")
    stack: int = Field(default=4, gt=0, description="frames a position shows")
    hop: int = Field(default=2, gt=0, description="frames from one position to the next")


class EncodedSpeech(NamedTuple):
    """One recording, ready for the network.

    Attributes:
        vectors: float32 (length, stack * mels)
    """

    vectors: Floats

    @property
    def arrays(self) -> dict[str, Floats]:
        """The network's inputs, each with axis 0 ragged."""
        return {"vectors": self.vectors}

    @property
    def length(self) -> int:
        """Positions."""
        return len(self.vectors)

    @property
    def labelled(self) -> range:
        """The positions that token heads label: all."""
        return range(self.length)


class SpeechPreprocessor:
    """Holds the window and the filters; encodes one recording at a time. Threads may share it."""

    def __init__(self, config: SpeechConfig):
        self.config = config
        self.step = config.rate_hz // 100
        size = config.rate_hz // 40
        self.fft = 1 << (2 * size - 1).bit_length()
        window = np.hanning(size + 1)[:-1]
        self.window = (window / np.sqrt((window**2).sum() * self.fft / 2)).astype(np.float32)
        self.filters = mel_filters(config.mels, self.fft, config.rate_hz)

    @property
    def features(self) -> int:
        """Numbers in a vector."""
        return self.config.stack * self.config.mels

    @property
    def position_samples(self) -> int:
        """Samples from one position to the next; position p begins at p times so many."""
        return self.step * self.config.hop

    def encode(self, samples: Floats) -> EncodedSpeech:
        """Samples (n,) at `rate_hz` -> ceil(n / position_samples) positions.

        Raises:
            InputError: there is no sample, or one is not a number or far too large.
        """
        if samples.ndim != 1 or not samples.size:
            raise InputError("there is no sample; a recording has at least one")
        if not np.abs(samples).max() <= LOUDEST:
            raise InputError(f"every sample must be a number from -{LOUDEST:.0f} to {LOUDEST:.0f}")
        length = -(-len(samples) // self.position_samples)
        energies = self._energies(samples.astype(np.float32), length * self.config.hop)
        levels = _moving_mean(energies.mean(axis=1), round(LEVEL_S * 100))
        relative = energies / (levels + SILENCE)[:, None].astype(np.float32)
        logs = np.log10(relative + np.float32(FLOOR)) + np.float32(2.0)
        return EncodedSpeech(self._stacked(logs))

    def _energies(self, samples: Floats, frames: int) -> Floats:
        """(n,) -> energy by frame and filter (frames, mels); the middle of frame f is its step's."""
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
        stack, hop = self.config.stack, self.config.hop
        before = max(0, stack - hop) // 2
        padded = np.pad(frames, ((before, max(0, stack - hop) - before), (0, 0)), "edge")
        views = np.lib.stride_tricks.sliding_window_view(padded, stack, axis=0)[::hop]
        return np.ascontiguousarray(views.transpose(0, 2, 1)).reshape(len(views), -1)


def mel_filters(mels: int, fft: int, rate_hz: int) -> Floats:
    """Triangles equally wide in mel = 2595 log10(1 + f / 700) (O'Shaughnessy 1987).

    Returns:
        float32 (fft / 2 + 1, mels): how much each filter takes of each frequency; 1 at its middle.
    """
    top = 2595 * np.log10(1 + rate_hz / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, mels + 2) / 2595) - 1)
    frequencies = np.arange(fft // 2 + 1)[:, None] * rate_hz / fft
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def _moving_mean(values: Floats, reach: int) -> NDArray[np.float64]:
    """(n,) -> the mean of each value and of up to `reach` to either side of it."""
    total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    here = np.arange(len(values))
    start, stop = np.maximum(0, here - reach), np.minimum(len(values), here + reach + 1)
    return (total[stop] - total[start]) / (stop - start)
