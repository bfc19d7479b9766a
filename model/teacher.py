"""Learning from trained networks (Hinton et al. 2015; arXiv:1503.02531)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model import checkpoint as checkpoints
from model.config import HeadConfig
from model.data.examples import Example
from model.errors import DataError
from model.network import Network
from model.preprocess.batch import pad
from model.preprocess.modalities import Preprocessor
from model.training_config import DistillConfig

BATCH = 64

# By head, probabilities: (words, labels) of a token head, (1, labels) of a sequence head.
Taught = dict[str, Tensor]


class Teacher:
    """The mean probabilities of trained networks, whatever their tokenizers.

    Args:
        config: names the networks.
        heads: of the student; those of every teacher must be the same.

    Raises:
        DataError: a checkpoint cannot be loaded, or has other heads.
    """

    def __init__(self, config: DistillConfig, heads: tuple[HeadConfig, ...]):
        self.config = config
        loaded = [checkpoints.load(Path(path)) for path in config.teachers]
        for path, teacher in zip(config.teachers, loaded, strict=True):
            if teacher.network.config.heads != heads:
                raise DataError(f"{path} has other heads or labels than the student")
        self.networks = [(each.network.bfloat16(), each.preprocessor()) for each in loaded]

    @torch.inference_mode()
    def __call__(self, examples: Sequence[Example]) -> list[Taught]:
        """What they answer to each example."""
        order = sorted(range(len(examples)), key=lambda i: len(examples[i].source))
        answers: dict[int, Taught] = {}
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            sources = [examples[i].source for i in chosen]
            means = [self._answer(*teacher, sources) for teacher in self.networks]
            for row, i in enumerate(chosen):
                answers[i] = {
                    name: sum(mean[row][name] for mean in means).div(len(means)).half()
                    for name in means[0][row]
                }
        return [answers[i] for i in range(len(examples))]

    def _answer(
        self, network: Network, preprocessor: Preprocessor, sources: list[Any]
    ) -> list[Taught]:
        encoded = [preprocessor.encode(source) for source in sources]
        arrays = {name: torch.from_numpy(array) for name, array in pad(encoded).items()}
        logits = network(arrays).logits
        answers: list[Taught] = [{} for _ in sources]
        for head in network.config.heads:
            shares = (logits[head.name].float() / self.config.temperature).softmax(-1)
            for row, item in enumerate(encoded):
                token = head.kind == "token"
                answers[row][head.name] = (
                    shares[row][item.labelled] if token else shares[row : row + 1]
                )
        return answers
