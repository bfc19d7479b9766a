"""What a network is shown in an epoch: changed copies of the examples, in shuffled batches."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.checkpoint import Checkpoint
from model.config import AugmentConfig
from model.data.augment import Augmenter
from model.data.examples import Example
from model.decode import TokenDecoder
from model.errors import DataError
from model.heads import IGNORED
from model.preprocess.batch import pad
from model.preprocess.text import TextPreprocessor
from model.recipe import Prepared, Recipe
from model.teacher import Taught, Teacher

SORTED_BATCHES = 50  # batches whose examples are sorted by length together
Lesson = tuple[Example, Taught]


@dataclass
class Batch:
    """A padded batch of labelled examples.

    Attributes:
        token_ids, valid: (batch, length)
        targets: by head: (batch, length) or (batch,)
        taught: by head, a teacher's probabilities: (labelled positions, labels) or (batch, labels)
    """

    token_ids: Tensor
    valid: Tensor
    targets: dict[str, Tensor]
    taught: dict[str, Tensor]


class Batches:
    """The batches of each epoch; the same ones whenever an epoch is asked for.

    Raises:
        DataError: the tags cannot be augmented, or a teacher cannot be used.
    """

    def __init__(self, recipe: Recipe, prepared: Prepared):
        self.recipe, self.examples = recipe, prepared.splits.train
        self.checkpoint = prepared.checkpoint
        self.preprocessor = self.checkpoint.preprocessor()
        heads = self.checkpoint.network.config.heads
        self.teacher = Teacher(recipe.distill, heads) if recipe.distill else None
        self.augment = _augmenter(recipe, prepared)
        self._kept: dict[int, list[Lesson]] = {}

    def of_epoch(self, epoch: int) -> Iterator[Batch]:
        """Shuffled; examples of like length together, so that little is padded."""
        rng = random.Random(f"{self.recipe.training.seed} {epoch}")
        lessons = [*self._lessons(epoch)]
        rng.shuffle(lessons)
        size = self.recipe.training.batch_size
        chunk = size * SORTED_BATCHES
        batches = []
        for start in range(0, len(lessons), chunk):
            part = sorted(lessons[start : start + chunk], key=lambda lesson: len(lesson[0].words))
            batches.extend(part[i : i + size] for i in range(0, len(part), size))
        rng.shuffle(batches)
        for batch in batches:
            examples, taught = zip(*batch, strict=True)
            yield collate(examples, self.checkpoint, self.preprocessor, taught)

    def _lessons(self, epoch: int) -> list[Lesson]:
        copies = self.recipe.augment.copies
        copy = epoch % copies if copies else epoch
        if copy in self._kept:
            return self._kept[copy]
        rng = random.Random(f"{self.recipe.training.seed} copy {copy}")
        examples = [self.augment(e, rng) if self.augment else e for e in self.examples]
        taught = self.teacher(examples) if self.teacher else [{} for _ in examples]
        lessons = list(zip(examples, taught, strict=True))
        if copies:
            self._kept[copy] = lessons
        return lessons


def collate(
    examples: Sequence[Example],
    checkpoint: Checkpoint,
    preprocessor: TextPreprocessor,
    taught: Sequence[Taught] = (),
) -> Batch:
    """Encode and pad; a token target stands at its word's first piece."""
    encoded = [preprocessor.encode_words(list(example.words)) for example in examples]
    token_ids, valid = pad([item.token_ids for item in encoded])
    targets: dict[str, Tensor] = {}
    joined: dict[str, Tensor] = {}
    for head in checkpoint.network.config.heads:
        index = {label: i for i, label in enumerate(head.labels)}
        shares = [answer[head.name] for answer in taught if answer]
        if shares:
            joined[head.name] = torch.cat(shares).float()
        if head.kind == "sequence":
            targets[head.name] = torch.tensor([index[e.targets[head.name]] for e in examples])
            continue
        target = torch.full(token_ids.shape, IGNORED)
        for row, (example, item) in enumerate(zip(examples, encoded, strict=True)):
            tags = [index[tag] for tag in example.targets[head.name]]
            target[row, item.first] = torch.tensor(tags)
        targets[head.name] = target
    return Batch(torch.from_numpy(token_ids), torch.from_numpy(valid), targets, joined)


def _augmenter(recipe: Recipe, prepared: Prepared) -> Augmenter | None:
    if recipe.augment == AugmentConfig():
        return None
    tagged = [h for h in prepared.checkpoint.network.config.heads if h.kind == "token"]
    if len(tagged) != 1 or not TokenDecoder(tagged[0].labels).bio:
        raise DataError("[augment] needs exactly one token head, with BIO tags")
    return Augmenter(prepared.splits.train, recipe.augment, tagged[0].name)
