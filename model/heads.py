"""Output heads; each owns its loss, against hard targets or a teacher's probabilities."""

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

IGNORED = -100  # target of a position that has no label


class TokenHead(nn.Module):
    """One label for every position (N -> N)."""

    def __init__(self, d_model: int, labels: int, dropout: float):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(d_model, labels)

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, length, d_model) -> logits (batch, length, labels)."""
        return self.linear(self.dropout(hidden))

    @staticmethod
    def loss(logits: Tensor, target: Tensor, smoothing: float = 0.0) -> Tensor:
        """Mean over labelled positions; target (batch, length) int64, IGNORED where none."""
        return cross_entropy(logits.flatten(0, 1), target.flatten(), label_smoothing=smoothing)

    @staticmethod
    def distance(logits: Tensor, teacher: Tensor, target: Tensor, temperature: float) -> Tensor:
        """Cross-entropy to the teacher's probabilities (labelled positions, labels)."""
        return temperature**2 * cross_entropy(logits[target != IGNORED] / temperature, teacher)


class SequenceHead(nn.Module):
    """One label for the whole sequence (N -> 1), read at its first position."""

    def __init__(self, d_model: int, labels: int, dropout: float):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(d_model, labels)

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, length, d_model) -> logits (batch, labels)."""
        return self.linear(self.dropout(hidden[:, 0]))

    @staticmethod
    def loss(logits: Tensor, target: Tensor, smoothing: float = 0.0) -> Tensor:
        """Mean over the batch; target (batch,) int64."""
        return cross_entropy(logits, target, label_smoothing=smoothing)

    @staticmethod
    def distance(logits: Tensor, teacher: Tensor, target: Tensor, temperature: float) -> Tensor:
        """Cross-entropy to the teacher's probabilities (batch, labels)."""
        return temperature**2 * cross_entropy(logits / temperature, teacher)


HEADS: dict[str, type[TokenHead] | type[SequenceHead]] = {
    "token": TokenHead,
    "sequence": SequenceHead,
}
