import pytest
import torch
from torch import nn

from model.heads import IGNORED, SequenceHead, TokenHead

BATCH, LENGTH, D_MODEL, LABELS = 3, 7, 20, 6


@pytest.fixture
def hidden(seeded):
    return torch.randn(BATCH, LENGTH, D_MODEL)


@pytest.fixture
def target():
    """Of a token head; two positions of each row have no label."""
    target = torch.randint(0, LABELS, (BATCH, LENGTH))
    target[:, [0, -1]] = IGNORED
    return target


def test_token_head_answers_each_position_alone(hidden):
    head = TokenHead(D_MODEL, LABELS, 0.5).eval()
    logits = head(hidden)
    expected = hidden[1, 4] @ head.linear.weight.T + head.linear.bias
    torch.testing.assert_close(logits[1, 4], expected)
    assert logits.shape == (BATCH, LENGTH, LABELS)


def test_sequence_head_reads_the_first_position_only(hidden):
    head = SequenceHead(D_MODEL, LABELS, 0.5).eval()
    logits = head(hidden)
    torch.testing.assert_close(logits, hidden[:, 0] @ head.linear.weight.T + head.linear.bias)
    hidden[:, 1:] = 0
    assert torch.equal(head(hidden), logits)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_token_loss_equals_torch_over_the_labelled_positions(hidden, target, smoothing):
    logits = TokenHead(D_MODEL, LABELS, 0.0)(hidden)
    labelled = target != IGNORED
    expected = nn.CrossEntropyLoss(label_smoothing=smoothing)(logits[labelled], target[labelled])
    torch.testing.assert_close(TokenHead.loss(logits, target, smoothing), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_sequence_loss_equals_torch(hidden, smoothing):
    logits, target = SequenceHead(D_MODEL, LABELS, 0.0)(hidden), torch.tensor([5, 0, 2])
    expected = nn.CrossEntropyLoss(label_smoothing=smoothing)(logits, target)
    torch.testing.assert_close(SequenceHead.loss(logits, target, smoothing), expected)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_distance_has_the_gradient_of_the_divergence_from_the_teacher(hidden, target, temperature):
    labelled = target != IGNORED
    teacher = (torch.randn(BATCH, LENGTH, LABELS) / temperature).softmax(-1)
    cases = [
        (TokenHead, target, labelled),
        (SequenceHead, target[:, 1], slice(None)),
    ]
    for kind, hard, chosen in cases:
        logits = kind(D_MODEL, LABELS, 0.0)(hidden).detach().requires_grad_()
        soft = teacher[labelled] if kind is TokenHead else teacher[:, 0]
        (found,) = torch.autograd.grad(kind.distance(logits, soft, hard, temperature), logits)
        divergence = nn.functional.kl_div(
            (logits[chosen] / temperature).log_softmax(-1), soft, reduction="batchmean"
        )
        (expected,) = torch.autograd.grad(temperature**2 * divergence, logits)
        torch.testing.assert_close(found, expected)


def test_unlabelled_positions_have_no_gradient(hidden, target):
    logits = TokenHead(D_MODEL, LABELS, 0.0)(hidden).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(TokenHead.loss(logits, target), logits)
    assert gradient[target == IGNORED].eq(0).all()
    assert gradient[target != IGNORED].ne(0).any(-1).all()
