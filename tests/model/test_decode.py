from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax as scipy_softmax
from seqeval.metrics.sequence_labeling import get_entities as conlleval_entities
from seqeval.scheme import IOB2, Entities

from model.decode import LabelSpan, TokenDecoder, softmax, top_classes

LABELS = ("O", "B-city", "I-city", "B-country", "I-country", "I-time")
FINITE = st.floats(-20, 20, width=32)
LATTICES = st.integers(1, 5).flatmap(
    lambda words: arrays(np.float32, (words, len(LABELS)), elements=FINITE)
)


def may_follow(a: str, b: str) -> bool:
    """Every I-x follows a B-x or an I-x."""
    return b[0] != "I" or (a != "O" and a[2:] == b[2:])


def is_valid(tags: tuple[str, ...]) -> bool:
    return all(may_follow(a, b) for a, b in zip(("O", *tags), tags, strict=False))


def lattices(labels: tuple[str, ...]) -> st.SearchStrategy:
    """Logits of up to five words: any, or with many ties, or of sizes that differ much."""
    elements = FINITE | st.integers(-2, 2).map(float) | st.sampled_from([-3e4, -1.0, 0.0, 3e4])
    return st.integers(1, 5).flatmap(
        lambda words: arrays(np.float32, (words, len(labels)), elements=elements)
    )


def total(logits, path) -> float:
    return sum(float(logits[row, i]) for row, i in enumerate(path))


def check_best(labels: tuple[str, ...], logits) -> None:
    """Against every sequence there is."""
    best, _ = TokenDecoder(labels).decode(logits)
    assert len(best) == len(logits)
    assert is_valid(tuple(labels[i] for i in best))
    highest = max(
        total(logits, path)
        for path in product(range(len(labels)), repeat=len(logits))
        if is_valid(tuple(labels[i] for i in path))
    )
    accuracy = 1e-6 * len(logits) * max(1.0, float(np.abs(logits).max()))
    assert total(logits, best) == pytest.approx(highest, rel=0, abs=max(1e-4, accuracy))


@settings(max_examples=200)
@given(lattices(LABELS))
def test_decoded_sequence_is_the_best_of_all_valid_ones(logits):
    check_best(LABELS, logits)


@pytest.mark.parametrize(
    "labels",
    [
        ("I-a", "I-b", "O", "B-b", "B-a"),
        ("O", "I-a", "I-b"),  # no label at all may begin a span: all is O
        ("B-a", "O"),
        ("O",),
        ("I-a", "B-a", "B-b", "O", "I-c", "I-b"),
    ],
)
@settings(max_examples=60)
@given(data=st.data())
def test_whatever_labels_there_are_the_best_valid_sequence_is_found(labels, data):
    check_best(labels, data.draw(lattices(labels)))


@given(
    st.integers(1, 5).flatmap(
        lambda words: arrays(np.float32, (words, 3), elements=st.floats(0, 9, width=32))
    ),
    st.floats(0, 30),
)
def test_words_that_all_want_to_be_inside_are_decoded_best(inside, advantage):
    """The worst case of the bounded search: hardly any word's own best label is allowed."""
    logits = np.zeros((len(inside), len(LABELS)), np.float32)
    logits[:, [2, 4, 5]] = inside + advantage
    check_best(LABELS, logits)


def test_a_run_of_ties_is_decoded_validly():
    for value in (0.0, -1e30, 1e30):
        logits = np.full((40, len(LABELS)), value, np.float32)
        logits[::2, 2] += 1.0
        best, _ = TokenDecoder(LABELS).decode(logits)
        assert is_valid(tuple(LABELS[i] for i in best))


def by_dynamic_programming(labels: tuple[str, ...], logits) -> float:
    """The total of the best valid sequence, over all labels of all words."""
    allowed = [[may_follow(a, b) for b in labels] for a in labels]
    penalty = np.where(allowed, 0.0, -np.inf)
    best = np.where([label[0] == "I" for label in labels], -np.inf, logits[0].astype(np.float64))
    for row in logits[1:].astype(np.float64):
        best = (best[:, None] + penalty).max(axis=0) + row
    return float(best.max())


@pytest.mark.parametrize("scale", [0.1, 1, 10, 100])
def test_long_inputs_of_many_labels_are_decoded_best(scale):
    labels = ("O", *(f"{part}-{kind}" for kind in "abcdefghij" for part in "BI"), "I-z")
    draw = np.random.default_rng(11)
    for words in (1, 2, 17, 300):
        logits = (draw.standard_normal((words, len(labels))) * scale).astype(np.float32)
        best, _ = TokenDecoder(labels).decode(logits)
        assert is_valid(tuple(labels[i] for i in best))
        expected = by_dynamic_programming(labels, logits)
        assert total(logits, best) == pytest.approx(expected, rel=1e-5)


@given(st.lists(LATTICES, min_size=1, max_size=4))
def test_inputs_decoded_together_answer_as_alone(lattices):
    decoder = TokenDecoder(LABELS)
    best, scores = decoder.decode_batch(np.concatenate(lattices), [len(x) for x in lattices])
    alone = [decoder.decode(lattice) for lattice in lattices]
    np.testing.assert_array_equal(best, np.concatenate([labels for labels, _ in alone]))
    np.testing.assert_array_equal(scores, np.concatenate([own for _, own in alone]))


@given(LATTICES)
def test_scores_are_the_softmax_at_the_chosen_labels(logits):
    best, scores = TokenDecoder(LABELS).decode(logits)
    expected = scipy_softmax(logits.astype(np.float64), axis=-1)[np.arange(len(best)), best]
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


@given(LATTICES)
def test_spans_equal_strict_iob2(logits):
    decoder = TokenDecoder(LABELS)
    best, scores = decoder.decode(logits)
    found = decoder.spans(best.tolist(), scores.tolist())
    expected = Entities([[LABELS[i] for i in best]], IOB2).entities[0]
    assert [(s.label, s.start, s.end) for s in found] == [e.to_tuple()[1:] for e in expected]
    for span in found:
        assert span.score == pytest.approx(np.mean(scores[span.start : span.end]), rel=1e-5)


@given(st.lists(st.sampled_from(LABELS[:5]), max_size=8).filter(lambda t: is_valid(tuple(t))))
def test_spans_of_valid_tags_equal_conlleval(tags):
    spans = TokenDecoder(LABELS).spans([LABELS.index(tag) for tag in tags], [1.0] * len(tags))
    found = [(span.label, span.start, span.end - 1) for span in spans]
    assert found == conlleval_entities(tags)


def test_adjacent_spans_of_one_type_stay_apart():
    spans = TokenDecoder(LABELS).spans([1, 2, 1, 0, 3], [0.5, 1.0, 0.25, 0.9, 0.75])
    assert spans == [
        LabelSpan(0, 2, "city", 0.75),
        LabelSpan(2, 3, "city", 0.25),
        LabelSpan(4, 5, "country", 0.75),
    ]


def test_labels_without_bio_are_decoded_word_by_word():
    logits = np.array([[0.0, 2.0, 1.0], [3.0, 0.0, 1.0]], np.float32)
    decoder = TokenDecoder(("NOUN", "I-x", "VERB"))
    assert not decoder.bio
    assert decoder.decode(logits)[0].tolist() == [1, 0]


@given(arrays(np.float32, (3, 7), elements=st.floats(-80, 80, width=32)))
def test_softmax_equals_scipy(logits):
    found = softmax(logits)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, scipy_softmax(logits.astype(np.float64), -1), atol=1e-6)


def test_a_very_unlikely_label_has_score_zero_without_a_warning():
    logits = np.array([[200.0, 0.0, 300.0, 0.0, 0.0, 0.0]], np.float32)
    best, scores = TokenDecoder(LABELS).decode(logits)
    assert best.tolist() == [0]
    assert scores.tolist() == pytest.approx([0.0])


def test_top_classes_come_sorted_and_ties_in_the_order_of_the_labels():
    found = top_classes([0.1, 0.4, 0.1, 0.4], "abcd", 3)
    assert [label for label, _ in found] == ["b", "d", "a"]
    assert [score for _, score in found] == pytest.approx([0.4, 0.4, 0.1])


def test_a_label_that_is_a_bare_prefix_is_no_bio_label() -> None:
    decoder = TokenDecoder(["O", "I-"])
    assert not decoder.bio
    best, _ = decoder.decode(np.array([[0.0, 1.0], [1.0, 0.0]], np.float32))
    assert best.tolist() == [1, 0]
