import math
from collections import defaultdict
from itertools import groupby, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.nn.functional import ctc_loss

from model.ctc import Transcript, align, beam_search, greedy, log_probability, log_softmax

EVERY = 10_000  # wide enough to keep all that there is in these tests
ELEMENTS = st.floats(-8, 8, width=32) | st.integers(-2, 2).map(float)
LOGITS = st.tuples(st.integers(1, 5), st.integers(2, 4)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=ELEMENTS)
)


def labelling(path) -> tuple[int, ...]:
    return tuple(label for label, _ in groupby(path) if label)


def paths_by_labelling(logits) -> dict[tuple[int, ...], dict[tuple[int, ...], float]]:
    """The log probability of every path there is, by what it stands for."""
    log_probs = torch.from_numpy(logits).double().log_softmax(-1).numpy()
    paths = defaultdict(dict)
    for path in product(range(logits.shape[1]), repeat=len(logits)):
        paths[labelling(path)][path] = sum(log_probs[i, label] for i, label in enumerate(path))
    return paths


def total(paths) -> float:
    return math.fsum(math.exp(value) for value in paths.values())


def path_of(found: Transcript, positions: int) -> tuple[int, ...]:
    path = [0] * positions
    for label, (start, end) in zip(found.labels, found.spans, strict=True):
        path[start:end] = [label] * (end - start)
    return tuple(path)


@given(LOGITS)
def test_probability_is_the_sum_over_all_paths(logits):
    log_probs = log_softmax(logits)
    for labels, paths in paths_by_labelling(logits).items():
        assert math.exp(log_probability(log_probs, labels)) == pytest.approx(total(paths))


@given(LOGITS, st.data())
def test_labels_that_do_not_fit_have_no_probability_and_no_place(logits, data):
    label = st.integers(1, logits.shape[1] - 1)
    labels = data.draw(st.lists(label, max_size=7).map(tuple))
    log_probs = log_softmax(logits)
    if labels in paths_by_labelling(logits):
        assert log_probability(log_probs, labels) > -math.inf
        assert len(align(log_probs, labels)) == len(labels)
    else:
        assert log_probability(log_probs, labels) == -math.inf
        with pytest.raises(ValueError, match="do not fit"):
            align(log_probs, labels)


@settings(max_examples=50)
@given(st.integers(1, 60), st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_probability_equals_the_loss_of_torch(positions, labels, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 4, (positions, labels)).astype(np.float32)
    target = rng.integers(1, labels, rng.integers(0, positions // 2 + 1)).tolist()
    loss = ctc_loss(
        torch.from_numpy(logits).double().log_softmax(-1)[:, None],
        torch.tensor([target], dtype=torch.int64),
        [positions],
        [len(target)],
        reduction="sum",
    )
    assert -log_probability(log_softmax(logits), target) == pytest.approx(loss.item())


@given(LOGITS)
def test_alignment_is_a_greedy_of_its_labels(logits):
    log_probs = log_softmax(logits)
    for labels, paths in paths_by_labelling(logits).items():
        found = Transcript(labels, 0.0, tuple(align(log_probs, labels)))
        path = path_of(found, len(logits))
        assert labelling(path) == labels
        assert paths[path] == pytest.approx(max(paths.values()))


@given(LOGITS)
def test_greedy_path_is_the_best_of_all_paths(logits):
    found = greedy(logits)
    everything = paths_by_labelling(logits)
    paths = everything[found.labels]
    highest = max(max(paths.values()) for paths in everything.values())
    assert paths[path_of(found, len(logits))] == pytest.approx(highest)
    assert found.score == pytest.approx(total(paths))


@given(LOGITS)
def test_wide_beam_finds_every_labelling_in_order(logits):
    found = beam_search(logits, EVERY, EVERY)
    everything = paths_by_labelling(logits)
    assert {transcript.labels for transcript in found} == set(everything)
    assert len(found) == len(everything)
    scores = [transcript.score for transcript in found]
    assert scores == sorted(scores, reverse=True)
    for transcript in found:
        paths = everything[transcript.labels]
        assert transcript.score == pytest.approx(total(paths))
        assert paths[path_of(transcript, len(logits))] == pytest.approx(max(paths.values()))


@given(LOGITS, st.integers(1, 6), st.integers(1, 6))
def test_narrow_beam_finds_different_labellings_in_order(logits, width, best):
    found = beam_search(logits, width, best)
    assert 1 <= len(found) <= min(width, best)
    assert len({transcript.labels for transcript in found}) == len(found)
    scores = [transcript.score for transcript in found]
    assert scores == sorted(scores, reverse=True)
    everything = paths_by_labelling(logits)
    assert scores == pytest.approx([total(everything[transcript.labels]) for transcript in found])


def test_beam_finds_what_no_single_path_shows():
    """Two paths of `1` together outweigh the one of nothing: 0.4 x 0.4 x 3 > 0.6 x 0.6."""
    logits = np.log(np.array([[0.6, 0.4], [0.6, 0.4]]))
    assert greedy(logits) == ((), pytest.approx(0.36), ())
    assert beam_search(logits, 2)[0][:2] == ((1,), pytest.approx(0.64))


def test_probabilities_of_long_inputs_do_not_vanish():
    logits = np.random.default_rng(0).normal(0, 3, (2000, 30)).astype(np.float32)
    found = greedy(logits)
    log_p = log_probability(log_softmax(logits), found.labels)
    assert -math.inf < log_p < -745  # math.exp of it is 0
    assert found.score == 0.0
