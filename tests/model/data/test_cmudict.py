import hashlib

import pytest

from model.data.cmudict import DEV_WORDS, read
from model.data.examples import Example
from model.errors import DataError

WORDS = [f"W{number}" for number in range(DEV_WORDS + 5)]


def write(folder, train, ref):
    (folder / "g014b2b.train").write_text(train, "utf-8")
    (folder / "g014b2b.ref").write_text(ref, "utf-8")


def test_pronunciations_are_learned_one_by_one_and_all_right_when_measured(tmp_path):
    train = "".join(f"{word}\tAH B\n{word}\tB\n" for word in WORDS)
    write(tmp_path, train, "ABS\tAE B Z\tEY B\nB\tB IY\n")
    splits = read(tmp_path)
    hashes = {word: hashlib.sha256(word.encode()).hexdigest() for word in WORDS}
    dev = set(sorted(WORDS, key=hashes.__getitem__)[:DEV_WORDS])
    both = {("AH", "B"), ("B",)}
    assert {(e.source, e.targets["phonemes"]) for e in splits.dev} == {
        (word, frozenset(both)) for word in dev
    }
    assert len(splits.dev) == DEV_WORDS
    assert sorted((e.source, e.targets["phonemes"]) for e in splits.train) == sorted(
        (word, spoken) for word in set(WORDS) - dev for spoken in both
    )
    assert splits.test == [
        Example("ABS", {"phonemes": frozenset({("AE", "B", "Z"), ("EY", "B")})}),
        Example("B", {"phonemes": frozenset({("B", "IY")})}),
    ]


@pytest.mark.parametrize("line", ["ABS", "ABS\t", "\tAE", "ABS\tAE\t ", ""])
def test_line_without_a_word_or_a_pronunciation_is_named(tmp_path, line):
    write(tmp_path, "A\tAH\n", f"B\tB IY\n{line}\n")
    with pytest.raises(DataError, match=r"g014b2b\.ref, line 2: "):
        read(tmp_path)
