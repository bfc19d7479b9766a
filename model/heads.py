"""Output heads; each owns its targets and its loss, also against a teacher's probabilities."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, ctc_loss, mse_loss

from model.config import EncoderConfig, HeadConfig
from model.ctc import BLANK
from model.data.examples import Target
from model.preprocess.batch import Encoded

IGNORED = -100  # target where there is no label
SHARPNESS = 2  # power that probabilities are raised to, to make one of them stand out


class Head(nn.Module):
    """A linear layer over the encoder's output."""

    def __init__(self, config: HeadConfig, encoder: EncoderConfig):
        super().__init__()
        self.pool = config.pool
        self.index = {label: i for i, label in enumerate(config.labels)}
        self.dropout = nn.Dropout(encoder.dropout)
        self.linear = nn.Linear(encoder.d_model, max(1, len(config.labels)))

    def pooled(self, hidden: Tensor, valid: Tensor) -> Tensor:
        """(batch, length, d_model) -> (batch, d_model): the first position, or the mean of all."""
        if self.pool == "first":
            return hidden[:, 0]
        real = valid[:, None].to(hidden.dtype)
        # A product with two equal rows: a sum, or one with a single row, onnxruntime adds up in an
        # order that depends on the padding.
        shares = (real / real.sum(2, keepdim=True)).expand(-1, 2, -1)
        return (shares @ hidden)[:, 0]


class TokenHead(Head):
    """One label for every position (N -> N)."""

    def forward(self, hidden: Tensor, valid: Tensor) -> Tensor:
        """(batch, length, d_model) -> logits (batch, length, labels)."""
        return self.linear(self.dropout(hidden))

    def targets(
        self, given: Sequence[Target | None], encoded: Sequence[Encoded], length: int
    ) -> Tensor:
        """int64 (batch, length), IGNORED where no label is known."""
        target = torch.full((len(given), length), IGNORED)
        for row, (labels, item) in enumerate(zip(given, encoded, strict=True)):
            if labels is not None:
                indices = [IGNORED if label is None else self.index[label] for label in labels]
                target[row, list(item.labelled)] = torch.tensor(indices)
        return target

    def loss(self, logits: Tensor, target: Tensor, valid: Tensor, smoothing: float = 0.0) -> Tensor:
        """Mean over labelled positions."""
        return _cross_entropy(logits.flatten(0, 1), target.flatten(), smoothing)

    @staticmethod
    def distance(logits: Tensor, teacher: Tensor, target: Tensor, temperature: float) -> Tensor:
        """Cross-entropy to the teacher's probabilities (labelled positions, labels)."""
        return temperature**2 * cross_entropy(logits[target != IGNORED] / temperature, teacher)

    @staticmethod
    def disagreement(passes: Sequence[Tensor], valid: Tensor) -> Tensor:
        """What several passes' logits differ in, over all valid positions; see `_disagreement`."""
        return _disagreement([logits[valid] for logits in passes])


class SequenceHead(Head):
    """One label for the whole sequence (N -> 1)."""

    def forward(self, hidden: Tensor, valid: Tensor) -> Tensor:
        """(batch, length, d_model) -> logits (batch, labels)."""
        return self.linear(self.dropout(self.pooled(hidden, valid)))

    def targets(
        self, given: Sequence[Target | None], encoded: Sequence[Encoded], length: int
    ) -> Tensor:
        """int64 (batch,), IGNORED where it is not known."""
        return torch.tensor([IGNORED if label is None else self.index[label] for label in given])

    def loss(self, logits: Tensor, target: Tensor, valid: Tensor, smoothing: float = 0.0) -> Tensor:
        """Mean over the labelled of the batch."""
        return _cross_entropy(logits, target, smoothing)

    @staticmethod
    def distance(logits: Tensor, teacher: Tensor, target: Tensor, temperature: float) -> Tensor:
        """Cross-entropy to the teacher's probabilities (batch, labels)."""
        return temperature**2 * cross_entropy(logits / temperature, teacher)

    @staticmethod
    def disagreement(passes: Sequence[Tensor], valid: Tensor) -> Tensor:
        """What several passes' logits differ in; see `_disagreement`."""
        return _disagreement(passes)


class ValueHead(Head):
    """A number for the whole sequence (N -> 1), scaled to the targets' mean and deviation."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: HeadConfig, encoder: EncoderConfig):
        super().__init__(config, encoder)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.ones(()))

    def scale_to(self, values: Sequence[float]) -> None:
        """Take mean and deviation from the training targets."""
        found = torch.tensor(values)
        self.mean.copy_(found.mean())
        self.deviation.copy_(found.std())

    def forward(self, hidden: Tensor, valid: Tensor) -> Tensor:
        """(batch, length, d_model) -> values (batch,)."""
        unit = self.linear(self.dropout(self.pooled(hidden, valid)))[:, 0]
        return unit * self.deviation + self.mean

    def targets(
        self, given: Sequence[Target | None], encoded: Sequence[Encoded], length: int
    ) -> Tensor:
        """float32 (batch,), NaN where it is not known."""
        return torch.tensor([torch.nan if value is None else value for value in given])

    def loss(self, logits: Tensor, target: Tensor, valid: Tensor, smoothing: float = 0.0) -> Tensor:
        """Mean squared error, in units of the deviation."""
        known = ~target.isnan()
        error = mse_loss(logits[known], target[known], reduction="sum")
        return error / self.deviation**2 / known.sum().clamp(min=1)


class CTCHead(TokenHead):
    """Labels whose number the network decides (N -> N'; Graves et al. 2006).

    With feedback it is self-conditioned (Nozaki and Komatsu 2021, section 3; arXiv:2104.02724).
    """

    def __init__(self, config: HeadConfig, encoder: EncoderConfig):
        super().__init__(config, encoder)
        if config.feedback:
            self.feedback = nn.Linear(len(config.labels), encoder.d_model)

    def targets(
        self, given: Sequence[Target | None], encoded: Sequence[Encoded], length: int
    ) -> Tensor:
        """int64 (batch, most labels), BLANK after each's last; row of IGNORED: not known."""
        target = torch.full((len(given), max(len(labels or ()) for labels in given)), BLANK)
        for row, labels in enumerate(given):
            if labels is None:
                target[row] = IGNORED
            else:
                indices = [self.index[label] for label in labels]
                target[row, : len(indices)] = torch.tensor(indices, dtype=torch.int64)
        return target

    def loss(self, logits: Tensor, target: Tensor, valid: Tensor, smoothing: float = 0.0) -> Tensor:
        """Mean over the labelled of the batch, each over its labels; 0 where none of them fits.

        `smoothing` pulls towards even probabilities, as in cross-entropy.
        """
        known = (target != IGNORED).all(1)
        if not target.shape[1] or not known.any():
            return logits.sum() * 0.0
        shares, real = logits[known].log_softmax(-1), valid[known]
        labels = target[known]
        counts = (labels != BLANK).sum(1)
        loss = ctc_loss(
            shares.transpose(0, 1), labels, real.sum(1), counts, BLANK, zero_infinity=True
        )
        even = -(shares.mean(-1) * real).sum() / real.sum()
        return (1 - smoothing) * loss + smoothing * even


def _disagreement(passes: Sequence[Tensor]) -> Tensor:
    """Mean squared distance of each pass to the passes' mean, which is made sharper.

    Needs no labels (Feng et al. 2020, eq. 3 to 5; arXiv:2005.11079).

    Args:
        passes: logits (inputs, labels) each.
    """
    shares = torch.stack([logits.softmax(-1) for logits in passes])
    sharp = shares.detach().mean(0) ** SHARPNESS
    sharp = sharp / sharp.sum(-1, keepdim=True)
    return (shares - sharp).square().sum(-1).mean()


def _cross_entropy(logits: Tensor, target: Tensor, smoothing: float) -> Tensor:
    total = cross_entropy(logits, target, label_smoothing=smoothing, reduction="sum")
    return total / (target != IGNORED).sum().clamp(min=1)


HEADS: dict[str, Any] = {
    "token": TokenHead,
    "sequence": SequenceHead,
    "value": ValueHead,
    "ctc": CTCHead,
}
