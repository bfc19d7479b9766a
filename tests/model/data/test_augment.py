import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.data.augment import Augmenter, as_typed, segments, typed_copy
from model.data.examples import Example
from model.preprocess.text import split_words
from model.training_config import AugmentConfig

WORDS = st.sampled_from(
    ("what", "s", "t", "don't", "p.m.", "new", "york", "5", "$5", "rock-n-roll", "(", "...", "é")
)
SLOTS = st.lists(
    st.tuples(st.sampled_from(("", "city", "day")), st.lists(WORDS, min_size=1, max_size=4)),
    min_size=1,
    max_size=5,
)
ALWAYS = AugmentConfig(exchange=0.99, surface=0.99)


def example(slots) -> Example:
    words, tags = [], []
    for kind, values in slots:
        words += values
        tags += [f"{'I' if i else 'B'}-{kind}" if kind else "O" for i in range(len(values))]
    return Example(tuple(words), {"slots": tuple(tags), "intent": "x"})


EXAMPLES = st.lists(SLOTS.map(example), min_size=1, max_size=4)


def is_valid(tags) -> bool:
    pairs = zip(("O", *tags), tags, strict=False)
    return all(b[0] != "I" or (a != "O" and a[2:] == b[2:]) for a, b in pairs)


def values(of: Example) -> list[tuple[tuple[str, ...], str]]:
    return [(words, kind) for words, kind in segments(of, "slots") if kind]


@given(EXAMPLES, st.integers(0, 99))
def test_tags_stay_valid_one_for_each_word(examples, seed):
    augmenter, rng = Augmenter(examples, ALWAYS, "slots"), random.Random(seed)
    for before in examples:
        after = augmenter(before, rng)
        assert len(after.source) == len(after.targets["slots"])
        assert is_valid(after.targets["slots"])
        assert after.targets["intent"] == before.targets["intent"]
        kinds = [kind for _, kind in values(before)]
        assert [kind for _, kind in values(after)] == kinds


@given(EXAMPLES, st.integers(0, 99))
def test_exchanged_values_were_seen_with_their_type(examples, seed):
    augmenter = Augmenter(examples, AugmentConfig(exchange=0.99), "slots")
    seen = {value for before in examples for value in values(before)}
    for before in examples:
        after = augmenter(before, random.Random(seed))
        assert set(values(after)) <= seen
        outside = [[w for w, k in segments(e, "slots") if not k] for e in (before, after)]
        assert outside[0] == outside[1]


@given(EXAMPLES, st.integers(0, 99))
def test_typed_text_is_split_as_served_text_is(examples, seed):
    augmenter = Augmenter(examples, AugmentConfig(surface=0.99), "slots")
    for before in examples:
        after = augmenter(before, random.Random(seed))
        if after.source == before.source:  # the one time in a hundred without a change
            continue
        text = " ".join(after.source)
        assert list(after.source) == [text[start:end] for start, end in split_words(text)]


@given(EXAMPLES)
def test_same_seed_same_changes(examples):
    augmenter = Augmenter(examples, ALWAYS, "slots")
    first, second = ([augmenter(e, random.Random(5)) for e in examples] for _ in range(2))
    assert first == second


@given(EXAMPLES)
def test_without_changes_examples_stay_as_they_are(examples):
    augmenter = Augmenter(examples, AugmentConfig(), "slots")
    assert [augmenter(e, random.Random(5)) for e in examples] == examples


def test_exchange_happens_as_often_as_asked():
    pool = [example([("city", [name])]) for name in "abcdefghij"]
    augmenter, rng = Augmenter(pool, AugmentConfig(exchange=0.3), "slots"), random.Random(1)
    changed = sum(augmenter(pool[0], rng) != pool[0] for _ in range(2000))
    assert changed / 2000 == pytest.approx(0.3 * 0.9, abs=0.04)  # one in ten draws the same


def test_contraction_is_joined_and_the_closing_mark_is_outside_the_slot():
    tagged = [("what", "O"), ("s", "O"), ("up", "O"), ("in", "O"), ("rome", "B-city")]
    typed = {tuple(as_typed(tagged, random.Random(seed))) for seed in range(99)}
    assert (
        ("what's", "O"),
        ("up", "O"),
        ("in", "O"),
        ("rome", "B-city"),
        (".", "O"),
    ) in typed
    assert all(pair[1] == "O" for pairs in typed for pair in pairs if pair[0] in ".!?,")


def test_possessive_inside_a_slot_keeps_the_slot():
    tagged = [("joe", "B-place"), ("s", "I-place"), ("bar", "I-place")]
    typed = [as_typed(tagged, random.Random(seed)) for seed in range(99)]
    joined = [pairs for pairs in typed if pairs[0][0] == "joe's"]
    assert joined
    assert all(pairs[:2] == [("joe's", "B-place"), ("bar", "I-place")] for pairs in joined)


@given(EXAMPLES)
def test_typed_copy_is_cased_and_keeps_tags_one_for_each_word(examples):
    copies = typed_copy(examples, "slots")
    assert copies == typed_copy(examples, "slots")
    for before, after in zip(examples, copies, strict=True):
        assert len(after.source) == len(after.targets["slots"])
        assert is_valid(after.targets["slots"])
        assert [k for _, k in values(after)] == [k for _, k in values(before)]
        text = " ".join(after.source)
        assert text[:1] == text[:1].upper()
