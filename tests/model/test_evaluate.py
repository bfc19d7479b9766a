import numpy as np
import pytest

from model.config import HeadConfig, SpellingConfig
from model.data.examples import Example
from model.evaluate import BATCH, evaluate, predict
from model.preprocess.spelling import SpellingPreprocessor

HEADS = (
    HeadConfig(name="slots", kind="token", labels=("O", "B-x", "I-x")),
    HeadConfig(name="pos", kind="token", labels=("NOUN", "VERB")),
    HeadConfig(name="intent", kind="sequence", labels=("ask", "tell")),
)


def example(words: str, slots: str, pos: str, intent: str) -> Example:
    targets = {"slots": tuple(slots.split()), "pos": tuple(pos.split()), "intent": intent}
    return Example(tuple(words.split()), targets)


GOLD = [
    example("what is that", "O O B-x", "NOUN VERB NOUN", "ask"),
    example("unbelievably incomprehensible", "B-x I-x", "VERB NOUN", "tell"),
    example("go", "O", "VERB", "tell"),
]


class Oracle:
    """Answers with the labels of `answers`, in turn, at the first pieces of their words."""

    def __init__(self, preprocessor, answers):
        self.preprocessor = preprocessor
        self.remaining = iter(answers)
        self.batches = []

    def __call__(self, arrays):
        token_ids, valid = arrays["token_ids"], arrays["valid"]
        self.batches.append(len(token_ids))
        axes = {"token": token_ids.shape, "sequence": token_ids.shape[:1]}
        logits = {h.name: np.zeros((*axes[h.kind], len(h.labels)), np.float32) for h in HEADS}
        for row, answer in enumerate(next(self.remaining) for _ in token_ids):
            encoded = self.preprocessor.encode_words(list(answer.source))
            assert valid[row].sum() == len(encoded.token_ids)
            for head in HEADS:
                target = answer.targets[head.name]
                if head.kind == "sequence":
                    logits[head.name][row, head.labels.index(target)] = 9
                    continue
                for first, tag in zip(encoded.first, target, strict=True):
                    logits[head.name][row, first, head.labels.index(tag)] = 9
        return logits


def test_right_answers_have_full_marks(preprocessor):
    metrics = evaluate(Oracle(preprocessor, GOLD), preprocessor, HEADS, GOLD)
    assert metrics == {
        "slots.accuracy": 1.0,
        "slots.f1": 1.0,
        "pos.accuracy": 1.0,
        "intent.accuracy": 1.0,
        "exact_match": 1.0,
    }


def test_wrong_answers_are_counted_by_word_span_and_sentence(preprocessor):
    answers = [
        example("what is that", "O B-x B-x", "NOUN VERB NOUN", "ask"),  # a span too many
        example("unbelievably incomprehensible", "B-x B-x", "VERB NOUN", "ask"),  # all wrong
        GOLD[2],
    ]
    metrics = evaluate(Oracle(preprocessor, answers), preprocessor, HEADS, GOLD)
    # Of four spans found one is right, and one of two is found.
    expected = {
        "slots.accuracy": 4 / 6,
        "slots.f1": 2 * (1 / 4) * (1 / 2) / (1 / 4 + 1 / 2),
        "pos.accuracy": 1.0,
        "intent.accuracy": 2 / 3,
        "exact_match": 1 / 3,
    }
    assert metrics == pytest.approx(expected)


def test_predictions_have_the_form_of_targets_in_batches(preprocessor):
    examples = GOLD * 12
    oracle = Oracle(preprocessor, examples)
    answers = list(predict(oracle, preprocessor, HEADS, examples))
    assert answers == [e.targets for e in examples]
    assert oracle.batches == [BATCH, 36 - BATCH]


def test_targets_of_no_head_are_not_asked_for(preprocessor):
    heads = HEADS[2:]
    metrics = evaluate(Oracle(preprocessor, GOLD), preprocessor, heads, GOLD)
    assert metrics == {"intent.accuracy": 1.0, "exact_match": 1.0}


def test_an_answer_is_right_where_it_is_one_of_several():
    head = HeadConfig(name="phonemes", kind="ctc", labels=("_", "AH", "B", "EY"))
    config = SpellingConfig(modality="spelling", letters="abc", repeat=2)
    gold = [
        Example("ab", {"phonemes": frozenset({("AH", "B"), ("EY", "B")})}),
        Example("b", {"phonemes": frozenset({("B", "EY"), ("AH",)})}),
    ]
    paths = [[3, 0, 2, 2], [2, 2]]  # EY B, and B

    def run(arrays):
        logits = np.zeros((*arrays["valid"].shape, len(head.labels)), np.float32)
        logits[..., 1] = 9  # where no position is
        for row, path in enumerate(paths):
            logits[row, : len(path)] = 9 * np.eye(len(head.labels))[path]
        return {"phonemes": logits}

    metrics = evaluate(run, SpellingPreprocessor(config, 8), [head], gold)
    assert metrics == {
        "phonemes.accuracy": 1 / 2,
        "phonemes.error_rate": 1 / 3,  # one from B EY and from AH, which is shorter
        "exact_match": 1 / 2,
    }
