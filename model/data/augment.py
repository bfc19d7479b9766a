"""Changes to training sentences that leave their meaning: other slot values, typed-in punctuation.

Assumes BIO tags. Deterministic given the random generator.
"""

import random
from collections import defaultdict
from collections.abc import Iterable

from model.data.examples import Example
from model.preprocess.text import split_words
from model.training_config import AugmentConfig

Segment = tuple[tuple[str, ...], str]  # words, and their slot type ("" outside)
CONTRACTIONS = frozenset({"s", "m", "re", "ll", "ve", "d", "t"})
CLOSINGS = (".", "!", "?", "...", " .", " !", " ?")


class Augmenter:
    """Draws a changed copy of each training example.

    Args:
        examples: the training examples, whose slot values are exchanged among each other.
        config: how often each change is made.
        head: the name of the token head whose tags follow the words.
    """

    def __init__(self, examples: Iterable[Example], config: AugmentConfig, head: str):
        self.config = config
        self.head = head
        self.values: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        for example in examples:
            for words, kind in segments(example, head):
                if kind:
                    self.values[kind].append(words)

    def __call__(self, example: Example, rng: random.Random) -> Example:
        """A changed copy of the example."""
        parts = [
            (rng.choice(self.values[kind]), kind)
            if kind and rng.random() < self.config.exchange
            else (words, kind)
            for words, kind in segments(example, self.head)
        ]
        tagged = [pair for part in parts for pair in _tag(*part)]
        if rng.random() < self.config.surface:
            tagged = as_typed(tagged, rng)
        words, tags = zip(*tagged, strict=True)
        return Example(words, {**example.targets, self.head: tags})


def segments(example: Example, head: str) -> list[Segment]:
    """The example's slots, and single words between them."""
    parts: list[Segment] = []
    for word, tag in zip(example.source, example.targets[head], strict=True):
        if tag.startswith("I-") and parts:
            parts[-1] = ((*parts[-1][0], word), parts[-1][1])
        else:
            parts.append(((word,), tag[2:]))
    return parts


def as_typed(tagged: list[tuple[str, str]], rng: random.Random) -> list[tuple[str, str]]:
    """Words and tags as a person would type them: contractions, commas, a closing mark.

    The result is split into words anew, as text is when it is served.
    """
    joined: list[tuple[str, str]] = []
    for word, tag in tagged:
        previous = joined[-1] if joined else ("", "")
        contracts = word in CONTRACTIONS and previous[0].isalpha()
        if contracts and tag[:1] != "B" and tag[2:] == previous[1][2:] and rng.random() < 0.7:
            apostrophe = rng.choice(("'", "\u2019"))
            joined[-1] = (f"{previous[0]}{apostrophe}{word}", previous[1])
        else:
            joined.append((word, tag))
    result: list[tuple[str, str]] = []
    for index, (word, tag) in enumerate(joined):
        ends_segment = index + 1 < len(joined) and joined[index + 1][1][:1] != "I"
        typed = f"{word}," if ends_segment and rng.random() < 0.06 else word
        if index == len(joined) - 1 and rng.random() < 0.7:
            typed += rng.choice(CLOSINGS)
        result.extend(_retag(typed, tag, len(word)))
    return result


def _retag(typed: str, tag: str, inside: int) -> list[tuple[str, str]]:
    """Split one typed word; what lies beyond its first `inside` characters is outside its slot."""
    tagged = []
    for start, end in split_words(typed):
        follows = f"I-{tag[2:]}" if tag != "O" else "O"
        label = "O" if start >= inside else tag if start == 0 else follows
        tagged.append((typed[start:end], label))
    return tagged


def _tag(words: tuple[str, ...], kind: str) -> list[tuple[str, str]]:
    return [
        (word, "O" if not kind else f"{'I' if index else 'B'}-{kind}")
        for index, word in enumerate(words)
    ]


def typed_copy(examples: Iterable[Example], head: str, seed: int = 0) -> list[Example]:
    """The examples as a person might type them: every one contracted, punctuated and cased."""
    rng = random.Random(seed)
    copies = []
    for example in examples:
        tagged = as_typed(list(zip(example.source, example.targets[head], strict=True)), rng)
        words, tags = zip(*tagged, strict=True)
        case = rng.choice((_sentence_case, _sentence_case, str.title, str.upper))
        cased = tuple(case(" ".join(words)).split(" "))
        copies.append(Example(cased, {**example.targets, head: tags}))
    return copies


def _sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]
