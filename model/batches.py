"""What a network is shown in an epoch: changed copies of the examples, in shuffled batches."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.checkpoint import Checkpoint
from model.data.augment import Augmenter
from model.data.distort import Distorter
from model.data.examples import Example
from model.data.warp import Warper
from model.decode import TokenDecoder
from model.errors import DataError
from model.preprocess.batch import pad
from model.preprocess.modalities import Preprocessor
from model.preprocess.speech import POSITIONS_A_SECOND
from model.recipe import Prepared, Recipe
from model.teacher import Taught, Teacher
from model.training_config import AugmentConfig

SORTED_BATCHES = 50  # batches whose examples are sorted by length together
Lesson = tuple[Example, Taught]


@dataclass
class Batch:
    """A padded batch of labelled examples.

    Attributes:
        arrays: what the network takes
        targets: by head, see `model.heads`
        taught: by head, a teacher's probabilities: (labelled positions, labels) or (batch, labels)
    """

    arrays: dict[str, Tensor]
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
            part = sorted(lessons[start : start + chunk], key=lambda lesson: len(lesson[0].source))
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
    preprocessor: Preprocessor,
    taught: Sequence[Taught] = (),
) -> Batch:
    """Encode and pad; see `model.heads` for the targets."""
    encoded = [preprocessor.encode(example.source) for example in examples]
    arrays = {name: torch.from_numpy(array) for name, array in pad(encoded).items()}
    length = arrays["valid"].shape[1]
    targets = {
        name: head.targets([example.targets.get(name) for example in examples], encoded, length)
        for name, head in checkpoint.network.heads.items()
    }
    joined = {}
    for name in targets:
        shares = [answer[name] for answer in taught if answer]
        if shares:
            joined[name] = torch.cat(shares).float()
    return Batch(arrays, targets, joined)


def _augmenter(recipe: Recipe, prepared: Prepared) -> Augmenter | Distorter | Warper | None:
    if recipe.augment == AugmentConfig():
        return None
    if recipe.preprocess.modality == "image":
        return Warper(recipe.augment.warp)
    tagged = [h for h in prepared.checkpoint.network.config.heads if h.kind == "token"]
    if recipe.preprocess.modality == "speech":
        step = recipe.preprocess.rate // POSITIONS_A_SECOND
        return Distorter(recipe.augment, tuple(head.name for head in tagged), step)
    if len(tagged) != 1 or not TokenDecoder(tagged[0].labels).bio:
        raise DataError("[augment] needs exactly one token head, with BIO tags")
    return Augmenter(prepared.splits.train, recipe.augment, tagged[0].name)
