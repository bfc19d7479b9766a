"""Free Spoken Digit Dataset: six speakers, ten digits, fifty takes; and strings joined of them.

Takes 0 to 4 are for testing, as its authors say; 5 to 9 are dev, the others are for training. An
example is a recording of one digit or a string of them with silence between; its heads:

    digit    of one recording
    speaker  of all
    frames   the digit said at every position, or `silence`
    digits   in order; dev and test measure it on strings alone
"""

import csv
import random
import wave
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.data.examples import Example, Splits
from model.errors import DataError
from model.preprocess.speech import POSITIONS_A_SECOND

RATE = 8000
SILENCE = "silence"
DEV, TRAINING = 5, 10  # the first take that is for dev, and for training
STRINGS = 300  # training strings a speaker
MOST_DIGITS, LONGEST_GAP = 7, 1600  # of a string; in samples


class Recording(NamedTuple):
    """One digit, said once; samples are float32 (n,) at `RATE`."""

    samples: NDArray[np.float32]
    digit: str
    speaker: str
    take: int


Recordings = dict[str, Recording]


def read(folder: Path) -> Splits:
    """The official split, and strings: the fixed ones for dev and test, random ones for training.

    Raises:
        DataError: a recording is of another format.
    """
    recordings = read_recordings(folder)
    train = {n: r for n, r in recordings.items() if r.take >= TRAINING}
    dev = [_no_string(r) for r in recordings.values() if DEV <= r.take < TRAINING]
    test = [_no_string(r) for r in recordings.values() if r.take < DEV]
    return Splits(
        [*map(_alone, train.values()), *random_strings(train.values())],
        [*dev, *fixed_strings(folder / "strings_dev.csv", recordings)],
        [*test, *fixed_strings(folder / "strings_test.csv", recordings)],
    )


def leave_out(folder: Path, speaker: str) -> Splits:
    """Everything of the other speakers to train from; all that `speaker` said is dev and test."""
    recordings = read_recordings(folder).values()
    others = [r for r in recordings if r.speaker != speaker]
    own = [_alone(r) for r in recordings if r.speaker == speaker]
    return Splits([*map(_alone, others), *random_strings(others)], own, own)


def read_recordings(folder: Path) -> Recordings:
    """Every recording by its name: <digit>_<speaker>_<take>."""
    recordings = {}
    for path in sorted((folder / "recordings").glob("*.wav")):
        digit, speaker, take = path.stem.split("_")
        recordings[path.stem] = Recording(_samples(path), digit, speaker, int(take))
    return recordings


def example(recordings: Sequence[Recording], gaps: Sequence[int]) -> Example:
    """Recordings of one speaker in a row, with `gaps[i]` samples of silence before the i-th."""
    parts, said = [], []
    for recording, gap in zip(recordings, gaps, strict=True):
        parts += [np.zeros(gap, np.float32), recording.samples]
        said += [SILENCE] * gap + [recording.digit] * len(recording.samples)
    step = RATE // POSITIONS_A_SECOND
    targets = {
        "speaker": recordings[0].speaker,
        "frames": tuple(said[min(i + step // 2, len(said) - 1)] for i in range(0, len(said), step)),
        "digits": tuple(recording.digit for recording in recordings),
    }
    if len(recordings) == 1:
        targets["digit"] = recordings[0].digit
    return Example(np.concatenate(parts), targets)


def fixed_strings(path: Path, recordings: Recordings) -> Iterator[Example]:
    """The strings of a list, in its order."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            pairs = zip(row["digits"].split(), row["takes"].split(), strict=True)
            parts = [recordings[f"{digit}_{row['speaker']}_{take}"] for digit, take in pairs]
            yield example(parts, [0, *map(int, row["gaps"].split())])


def random_strings(recordings: Iterable[Recording]) -> Iterator[Example]:
    """`STRINGS` of each speaker; the same ones whenever they are asked for."""
    rng = random.Random("strings")
    speakers: dict[str, list[Recording]] = {}
    for recording in recordings:
        speakers.setdefault(recording.speaker, []).append(recording)
    for own in speakers.values():
        for _ in range(STRINGS):
            parts = rng.choices(own, k=rng.randint(1, MOST_DIGITS))
            yield example(parts, [rng.randint(0, LONGEST_GAP) for _ in parts])


def _alone(recording: Recording) -> Example:
    return example([recording], [0])


def _no_string(recording: Recording) -> Example:
    alone = _alone(recording)
    return replace(alone, targets={n: t for n, t in alone.targets.items() if n != "digits"})


def _samples(path: Path) -> NDArray[np.float32]:
    with wave.open(str(path)) as file:
        form = file.getnchannels(), file.getsampwidth(), file.getframerate()
        if form != (1, 2, RATE):
            raise DataError(f"{path} is not 16-bit mono at {RATE} Hz")
        integers = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return integers.astype(np.float32) / 2**15
