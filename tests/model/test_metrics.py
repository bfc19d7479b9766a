import math
import warnings
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities
from sklearn.metrics import accuracy_score

from model.metrics import accuracy, bio_spans, edit_distance, error_rate, rmse, span_f1

TAG = st.sampled_from(
    ("O", "B-city", "I-city", "B-day", "I-day", "B-city-name", "I-name", "I-time")
)
SENTENCES = st.lists(st.lists(st.tuples(TAG, TAG), min_size=1, max_size=8), min_size=1, max_size=5)


@given(st.lists(TAG, max_size=9))
def test_spans_of_any_tags_equal_conlleval(tags):
    expected = {(kind, start, last + 1) for kind, start, last in get_entities(tags)}
    assert bio_spans(tags) == expected


@given(SENTENCES)
def test_span_f1_equals_seqeval(sentences):
    gold = [[a for a, _ in sentence] for sentence in sentences]
    predicted = [[b for _, b in sentence] for sentence in sentences]
    found = span_f1([bio_spans(tags) for tags in gold], [bio_spans(tags) for tags in predicted])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seqeval's own, where there is no span
        expected = [
            score(gold, predicted, zero_division=0)
            for score in (precision_score, recall_score, f1_score)
        ]
    assert list(found) == pytest.approx(expected)


def test_sentences_are_not_mixed():
    assert span_f1([{("x", 0, 1)}, set()], [set(), {("x", 0, 1)}]).f1 == 0.0


@given(st.lists(st.tuples(TAG, TAG), min_size=1))
def test_accuracy_equals_sklearn(pairs):
    gold, predicted = zip(*pairs, strict=True)
    assert accuracy(gold, predicted) == pytest.approx(accuracy_score(gold, predicted))


def test_unequal_numbers_are_an_error():
    with pytest.raises(ValueError, match="shorter"):
        accuracy(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="shorter"):
        span_f1([set(), set()], [set()])


WORDS = st.text("abc", max_size=6)


def edits(one: str, other: str) -> int:
    """By the definition: of what is left when the first letters are equal, or one of them goes."""

    @cache
    def rest(i: int, j: int) -> int:
        if i == len(one) or j == len(other):
            return len(one) - i + len(other) - j
        if one[i] == other[j]:
            return rest(i + 1, j + 1)
        return 1 + min(rest(i + 1, j + 1), rest(i + 1, j), rest(i, j + 1))

    return rest(0, 0)


@given(WORDS, WORDS)
def test_edit_distance_is_what_its_definition_says(one, other):
    assert edit_distance(one, other) == edits(one, other)


@given(st.lists(st.tuples(st.sets(WORDS.filter(bool), min_size=1), WORDS), min_size=1))
def test_error_rate_counts_the_edits_to_the_nearest_right_answer(pairs):
    gold, found = zip(*pairs, strict=True)
    total = labels = 0
    for right, answer in pairs:
        fewest = min(edits(one, answer) for one in right)
        total += fewest
        labels += min(len(one) for one in right if edits(one, answer) == fewest)
    assert error_rate(gold, found) == pytest.approx(total / labels)


def test_rmse_is_the_root_of_the_mean_square():
    assert rmse([1.0, 2.0, 3.0], [1.0, 4.0, -1.0]) == pytest.approx(math.sqrt(20 / 3))
