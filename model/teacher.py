"""Learning from trained networks (Hinton et al. 2015; arXiv:1503.02531)."""

from pathlib import Path

import torch
from torch import Tensor

from model import checkpoint as checkpoints
from model.config import DistillConfig, HeadConfig
from model.data.examples import Example
from model.errors import DataError
from model.preprocess.batch import pad


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

    @torch.no_grad()
    def __call__(self, examples: list[Example]) -> dict[str, Tensor]:
        """By head: (words of all examples, labels) of token heads, (batch, labels) of others."""
        means: dict[str, Tensor] = {}
        for network, preprocessor in self.networks:
            encoded = [preprocessor.encode_words(list(example.words)) for example in examples]
            token_ids, valid = pad([item.token_ids for item in encoded])
            output = network(torch.from_numpy(token_ids), torch.from_numpy(valid))
            rows = [row for row, item in enumerate(encoded) for _ in item.first]
            first = [position for item in encoded for position in item.first]
            for head in network.config.heads:
                logits = output.logits[head.name]
                chosen = logits[rows, first] if head.kind == "token" else logits
                share = (chosen.float() / self.config.temperature).softmax(-1) / len(self.networks)
                means[head.name] = means.get(head.name, 0) + share
        return means
