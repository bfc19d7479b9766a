import csv
import io
import tarfile
import wave
from pathlib import Path

import numpy as np
import pytest

from model.data import fsdd
from model.errors import DataError

SPEAKERS = ("ann", "bo")
TAKES = range(12)


def recorded(digit: int, speaker: str, take: int) -> np.ndarray:
    """Every recording has another length and another level."""
    value = digit * 1000 + SPEAKERS.index(speaker) * 100 + take
    return np.full(700 + value % 37, value, "<i2")


def wav(samples: np.ndarray, rate: int = 8000) -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return data.getvalue()


def write_csv(path: Path, columns: str, rows: list[tuple]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns.split(), *rows])


def write(folder: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(folder / "recordings.tar.xz", "w:xz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"recordings/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


@pytest.fixture
def files() -> dict[str, bytes]:
    return {
        f"{d}_{s}_{t}.wav": wav(recorded(d, s, t))
        for d in range(3)
        for s in SPEAKERS
        for t in TAKES
    }


@pytest.fixture
def folder(tmp_path, files) -> Path:
    write(tmp_path, files)
    columns = "id speaker digits files gaps"
    dev = [(0, "ann", "2 0 2", "2_ann_5.wav 0_ann_6.wav 2_ann_5.wav", "1000 0")]
    write_csv(tmp_path / "strings_dev.csv", columns, dev)
    write_csv(
        tmp_path / "strings_test.csv", columns, [(0, "bo", "1 1", "1_bo_0.wav 1_bo_1.wav", "80")]
    )
    return tmp_path


def takes(examples) -> set[int]:
    return {round(value * 2**15) % 100 for e in examples for value in set(e.source.tolist()) - {0}}


def test_no_take_is_in_two_splits(folder):
    splits = fsdd.read(folder)
    assert [takes(split) for split in splits] == [{10, 11}, {5, 6, 7, 8, 9}, {0, 1, 2, 3, 4}]
    assert [len(split) for split in splits] == [12 + 2 * fsdd.STRINGS, 30 + 1, 30 + 1]


def test_a_recording_is_its_samples_and_answers(folder):
    first = fsdd.read(folder).test[0]
    np.testing.assert_array_equal(first.source * 2**15, recorded(0, "ann", 0))
    assert first.source.dtype == np.float32
    assert first.targets == {
        "digit": "0",
        "speaker": "ann",
        "digits": ("0",),
        "frames": ("0",) * 5,  # 700 samples, 160 a position
    }


def test_a_fixed_string_is_joined_as_the_list_says(folder):
    string = fsdd.read(folder).dev[-1]
    two, nought = recorded(2, "ann", 5), recorded(0, "ann", 6)
    joined = np.concatenate([two, np.zeros(1000), nought, two])
    np.testing.assert_array_equal(string.source * 2**15, joined)
    assert string.targets["digits"] == ("2", "0", "2")
    assert string.targets["speaker"] == "ann"
    assert "digit" not in string.targets
    said = np.repeat(["2", "silence", "0", "2"], [len(two), 1000, len(nought), len(two)])
    middles = [*range(80, len(said), 160)]
    assert string.targets["frames"][: len(middles)] == tuple(said[middles])
    assert string.targets["frames"][len(middles) :] == ("2",)  # begun, but not half over


def test_training_strings_are_random_but_always_the_same(folder):
    strings, again = (fsdd.read(folder).train[12:] for _ in range(2))
    for one, other in zip(strings, again, strict=True):
        np.testing.assert_array_equal(one.source, other.source)
        assert one.targets == other.targets
    assert {len(e.targets["digits"]) for e in strings} == {1, 2, 3, 4, 5, 6, 7}
    assert len({e.targets["digits"] for e in strings}) > fsdd.STRINGS
    for string in strings:
        speakers = {round(v * 2**15) // 100 % 10 for v in set(string.source.tolist()) - {0}}
        assert [SPEAKERS[i] for i in speakers] == [string.targets["speaker"]]
        assert ("digit" in string.targets) == (len(string.targets["digits"]) == 1)


def test_a_speaker_who_is_left_out_is_not_heard_in_training(folder):
    splits = fsdd.leave_out(folder, "bo")
    assert {e.targets["speaker"] for e in splits.train} == {"ann"}
    assert {e.targets["speaker"] for e in splits.test} == {"bo"}
    assert len(splits.test) == 36
    assert takes(splits.train) == {*TAKES}


def test_another_rate_is_refused(folder, files):
    write(folder, files | {"1_bo_3.wav": wav(recorded(1, "bo", 3), rate=16000)})
    with pytest.raises(DataError, match=r"1_bo_3\.wav is not 16-bit mono at 8000 Hz"):
        fsdd.read(folder)
