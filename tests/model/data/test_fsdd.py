import csv
import hashlib
import io
import tomllib
import wave
from pathlib import Path

import numpy as np
import pytest

from model.data import fsdd
from model.errors import DataError

SPEAKERS = ("ann", "bo")
LISTS = Path(__file__).parents[3] / "recipes" / "digits-speech"
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
    recordings = folder / "recordings"
    recordings.mkdir(exist_ok=True)
    for name, data in files.items():
        (recordings / name).write_bytes(data)


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
    columns = "speaker digits takes gaps"
    write_csv(tmp_path / "strings_dev.csv", columns, [("ann", "2 0 2", "5 6 5", "1000 0")])
    write_csv(tmp_path / "strings_test.csv", columns, [("bo", "1 1", "0 1", "80")])
    return tmp_path


def takes(examples) -> set[int]:
    return {round(value * 2**15) % 100 for e in examples for value in set(e.source.tolist()) - {0}}


def test_no_take_is_in_two_splits(folder):
    splits = fsdd.read(folder)
    assert [takes(split) for split in splits] == [{10, 11}, {5, 6, 7, 8, 9}, {0, 1, 2, 3, 4}]
    assert [len(split) for split in splits] == [12 + 2 * fsdd.STRINGS, 30 + 1, 30 + 1]


def test_a_recording_is_its_samples_and_answers(folder):
    first = fsdd.read(folder).train[0]
    np.testing.assert_array_equal(first.source * 2**15, recorded(0, "ann", 10))
    assert first.source.dtype == np.float32
    assert first.targets == {
        "digit": "0",
        "speaker": "ann",
        "digits": ("0",),
        "frames": ("0",) * 5,  # 700 samples, 160 a position
    }


def test_only_strings_are_measured_as_strings(folder):
    for split in fsdd.read(folder)[1:]:
        assert all(("digit" in e.targets) != ("digits" in e.targets) for e in split)
        assert [len(e.targets["digits"]) > 1 for e in split if "digits" in e.targets] == [True]


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


def test_another_rate_is_refused(folder):
    write(folder, {"1_bo_3.wav": wav(recorded(1, "bo", 3), rate=16000)})
    with pytest.raises(DataError, match=r"1_bo_3\.wav is not 16-bit mono at 8000 Hz"):
        fsdd.read(folder)


@pytest.mark.parametrize(("split", "strings", "digits"), [("dev", 300, 1480), ("test", 600, 2973)])
def test_the_lists_beside_the_recipe_are_of_their_own_takes(split, strings, digits):
    path = LISTS / f"strings_{split}.csv"
    files = tomllib.loads(LISTS.with_suffix(".toml").read_text("utf-8"))["data"]["files"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == files[path.name]
    with path.open(newline="") as file:
        rows = [{n: v.split() for n, v in row.items()} for row in csv.DictReader(file)]
    assert len(rows) == strings
    assert sum(len(row["digits"]) for row in rows) == digits
    for row in rows:
        assert 3 <= len(row["digits"]) == len(row["takes"]) == len(row["gaps"]) + 1 <= 7
        assert all((int(take) < fsdd.DEV) == (split == "test") for take in row["takes"])
        assert all(int(take) < fsdd.TRAINING for take in row["takes"])
        assert all(0 <= int(gap) <= fsdd.LONGEST_GAP for gap in row["gaps"])
