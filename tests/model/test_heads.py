import itertools
import math

import pytest
import torch
from torch import nn

from model.config import EncoderConfig, HeadConfig
from model.heads import HEADS, IGNORED, Head

BATCH, LENGTH, D_MODEL, LABELS = 3, 7, 20, 6
VALID = torch.arange(LENGTH) < torch.tensor([[7], [2], [5]])


def make(kind: str, dropout: float = 0.0, pool: str = "first") -> Head:
    labels = () if kind == "value" else tuple("abcdef")
    config = HeadConfig(name="head", kind=kind, labels=labels, pool=pool)
    sizes = {"layers": 1, "heads": 4, "d_model": D_MODEL, "d_hidden": 1}
    return HEADS[kind](config, EncoderConfig(**sizes, dropout=dropout))


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
    head = make("token", 0.5).eval()
    logits = head(hidden, VALID)
    expected = hidden[1, 4] @ head.linear.weight.T + head.linear.bias
    torch.testing.assert_close(logits[1, 4], expected)
    assert logits.shape == (BATCH, LENGTH, LABELS)


def test_sequence_head_reads_the_first_position_only(hidden):
    head = make("sequence", 0.5).eval()
    logits = head(hidden, VALID)
    torch.testing.assert_close(logits, hidden[:, 0] @ head.linear.weight.T + head.linear.bias)
    hidden[:, 1:] = 0
    assert torch.equal(head(hidden, VALID), logits)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_token_loss_equals_torch_over_the_labelled_positions(hidden, target, smoothing):
    logits = make("token", 0.0)(hidden, VALID)
    labelled = target != IGNORED
    expected = nn.CrossEntropyLoss(label_smoothing=smoothing)(logits[labelled], target[labelled])
    torch.testing.assert_close(make("token").loss(logits, target, VALID, smoothing), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_sequence_loss_equals_torch(hidden, smoothing):
    logits, target = make("sequence", 0.0)(hidden, VALID), torch.tensor([5, 0, 2])
    expected = nn.CrossEntropyLoss(label_smoothing=smoothing)(logits, target)
    torch.testing.assert_close(make("sequence").loss(logits, target, VALID, smoothing), expected)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_distance_has_the_gradient_of_the_divergence_from_the_teacher(hidden, target, temperature):
    labelled = target != IGNORED
    teacher = (torch.randn(BATCH, LENGTH, LABELS) / temperature).softmax(-1)
    cases = [
        ("token", target, labelled),
        ("sequence", target[:, 1], slice(None)),
    ]
    for kind, hard, chosen in cases:
        logits = make(kind)(hidden, VALID).detach().requires_grad_()
        soft = teacher[labelled] if kind == "token" else teacher[:, 0]
        (found,) = torch.autograd.grad(make(kind).distance(logits, soft, hard, temperature), logits)
        divergence = nn.functional.kl_div(
            (logits[chosen] / temperature).log_softmax(-1), soft, reduction="batchmean"
        )
        (expected,) = torch.autograd.grad(temperature**2 * divergence, logits)
        torch.testing.assert_close(found, expected)


def test_disagreement_is_the_distance_to_the_sharpened_mean(seeded):
    passes = [torch.randn(BATCH, LENGTH, LABELS, requires_grad=True) for _ in range(2)]
    expected, positions = 0.0, VALID.nonzero().tolist()
    for row, place in positions:
        shares = [math.exp(1) ** logits[row, place].detach().double() for logits in passes]
        shares = [share / share.sum() for share in shares]
        squares = ((shares[0] + shares[1]) / 2) ** 2
        sharp = squares / squares.sum()
        expected += sum(float(((share - sharp) ** 2).sum()) for share in shares) / 2
    found = make("token").disagreement(passes, VALID)
    assert found.item() == pytest.approx(expected / len(positions), rel=1e-5)
    found.backward()
    assert (passes[0].grad[~VALID] == 0).all()
    assert (passes[0].grad[VALID] != 0).any()

    whole = [logits[:, 0] for logits in passes]
    alone = make("token").disagreement([logits[:, :1] for logits in passes], VALID[:, :1])
    torch.testing.assert_close(make("sequence").disagreement(whole, VALID), alone)


def test_what_agrees_and_is_sure_does_not_disagree():
    sure = torch.tensor([[20.0, -20.0], [-20.0, 20.0]])
    head = make("sequence")
    assert head.disagreement([sure, sure], VALID).item() < 1e-6
    assert head.disagreement([sure, -sure], VALID).item() == pytest.approx(0.5)
    assert head.disagreement([sure / 40, sure / 40], VALID) > 1e-3  # unsure


def test_unlabelled_positions_have_no_gradient(hidden, target):
    logits = make("token", 0.0)(hidden, VALID).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(make("token").loss(logits, target, VALID), logits)
    assert gradient[target == IGNORED].eq(0).all()
    assert gradient[target != IGNORED].ne(0).any(-1).all()


@pytest.mark.parametrize("kind", ["sequence", "value"])
def test_a_mean_is_that_of_the_real_positions(hidden, kind):
    head = make(kind, 0.5, "mean").eval()
    found = head(hidden, VALID)
    means = torch.stack([row[real].mean(0) for row, real in zip(hidden, VALID, strict=True)])
    expected = means @ head.linear.weight.T + head.linear.bias
    torch.testing.assert_close(found, expected if kind == "sequence" else expected[:, 0])
    hidden[~VALID] = 1e3
    torch.testing.assert_close(head(hidden, VALID), found)


def test_a_loss_counts_only_what_is_labelled(hidden):
    head = make("sequence")
    logits = head(hidden, VALID)
    one = head.loss(logits[1:2], torch.tensor([4]), VALID[1:2])
    target = head.targets([None, "e", None], [], LENGTH)
    torch.testing.assert_close(head.loss(logits, target, VALID), one)
    for kind in ("token", "sequence", "value", "ctc"):
        head = make(kind)
        nothing = head.targets([None] * BATCH, [None] * BATCH, LENGTH)
        loss = head.loss(head(hidden, VALID), nothing, VALID)
        assert loss.item() == 0
        loss.backward()


def test_a_value_is_scaled_to_the_training_targets(hidden):
    head = make("value").eval()
    head.scale_to([1.0, 3.0, 8.0])
    unit = hidden[:, 0] @ head.linear.weight[0] + head.linear.bias
    values = head(hidden, VALID)
    torch.testing.assert_close(values, unit * torch.tensor([1.0, 3.0, 8.0]).std() + 4)
    target = head.targets([1.0, None, 8.0], [], LENGTH)
    expected = ((values - target)[[0, 2]] ** 2).mean() / 13
    torch.testing.assert_close(head.loss(values, target, VALID), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_ctc_loss_is_the_probability_of_all_paths(hidden, smoothing):
    """Paths are counted one by one; the labels of the second are more than its positions."""
    head = make("ctc")
    logits = head(hidden, VALID)
    given = [None, ("b", "b"), ("b", "c")]
    target = head.targets(given, [None] * BATCH, LENGTH)
    shares = logits.softmax(-1)[2, :5]
    paths = itertools.product(range(3), repeat=5)
    total = sum(
        math.prod(shares[at, label].item() for at, label in enumerate(path))
        for path in paths
        if [label for label, _ in itertools.groupby(path) if label] == [1, 2]
    )
    expected = (-math.log(total) / 2 + 0) / 2
    even = -torch.cat([logits.log_softmax(-1)[1, :2], logits.log_softmax(-1)[2, :5]]).mean()
    found = head.loss(logits, target, VALID, smoothing).item()
    assert found == pytest.approx((1 - smoothing) * expected + smoothing * even.item(), rel=1e-4)
