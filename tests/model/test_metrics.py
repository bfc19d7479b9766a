import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities
from sklearn.metrics import accuracy_score

from model.metrics import accuracy, bio_spans, span_f1

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
