import pytest

from model.data import snips
from model.data.examples import Example
from model.errors import DataError


def test_lines_become_examples(data):
    splits = snips.read(data)
    assert [len(split) for split in splits] == [8, 8, 8]
    assert splits.dev[1] == Example(
        ("will", "it", "rain", "in", "paris"),
        {"slots": ("O", "O", "O", "O", "B-city"), "intent": "weather"},
    )


def test_splits_are_not_mixed_up(data):
    (data / "test" / "label").write_text("x\n" * 8)
    splits = snips.read(data)
    assert {example.targets["intent"] for example in splits.test} == {"x"}
    assert "x" not in {example.targets["intent"] for example in splits.train + splits.dev}


def test_files_of_unequal_length_are_named(data):
    with (data / "dev" / "label").open("a") as file:
        file.write("book\n")
    with pytest.raises(DataError, match=r"dev: seq\.in, seq\.out and label differ"):
        snips.read(data)


def test_line_with_a_tag_too_few_is_named_with_both_numbers(data):
    path = data / "train" / "seq.out"
    lines = path.read_text().splitlines()
    lines[2] = "O O"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match="train, line 3: 6 words but 2 tags"):
        snips.read(data)
