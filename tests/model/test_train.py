import hashlib
import itertools
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from model import checkpoint as checkpoints
from model import recipe as recipes
from model import train as training
from model.batches import collate
from model.errors import DataError
from model.evaluate import evaluate
from model.train import one_cycle, torch_run
from model.training_config import AugmentConfig, DistillConfig

ROOT = Path(__file__).parents[2]
# Trains, and is killed by SIGKILL at the given call of the given function.
KILLED = """
import itertools, os, signal, sys
from pathlib import Path

import torch

from model import recipe, train

torch.set_num_threads(1)
path, data, out, name, call = sys.argv[1:]
owner = os if name == "fsync" else train._Run
function, calls = getattr(owner, name), itertools.count(1)


def counted(*args):
    if next(calls) == int(call):
        os.kill(os.getpid(), signal.SIGKILL)
    return function(*args)


setattr(owner, name, counted)
made = recipe.read(Path(path))
train.train(made, recipe.prepare(made, Path(data)), Path(out))
"""


@pytest.fixture
def fit(data, tmp_path, capsys):
    """fit(recipe, name) -> the folder of a finished run."""

    def run(recipe: recipes.Recipe, name: str = "run") -> Path:
        training.train(recipe, recipes.prepare(recipe, data), tmp_path / name)
        return tmp_path / name

    return run


def lines(out: Path) -> list[dict]:
    """metrics.jsonl without the seconds."""
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def assert_same(first: Path, second: Path) -> None:
    for name in ("best.safetensors", "last.safetensors"):
        ours, theirs = load_file(first / name), load_file(second / name)
        assert ours.keys() == theirs.keys()
        assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []
    assert lines(first) == lines(second)


def test_learns_eight_examples_by_heart(tiny_recipe, fit, data):
    recipe = tiny_recipe(epochs=40)
    out = fit(recipe)
    rows = lines(out)
    assert [row["epoch"] for row in rows] == list(range(1, 41))
    assert rows[-1]["loss"] < 0.05 < rows[0]["loss"]
    best = checkpoints.load(out / "best.safetensors")
    examples = recipes.prepare(recipe, data).splits.dev
    metrics = evaluate(
        torch_run(best.network), best.preprocessor(), best.network.config.heads, examples
    )
    assert metrics["exact_match"] == 1.0
    assert metrics == best.about["dev"]
    assert recipes.Recipe.model_validate(best.about["recipe"]) == recipe


def test_same_seed_same_weights_and_another_seed_others(tiny_recipe, fit):
    varied = {"average": 0.9}
    first, second = (fit(tiny_recipe(**varied), name) for name in ("first", "second"))
    assert_same(first, second)
    other = fit(tiny_recipe(seed=1, **varied), "other")
    assert lines(other) != lines(first)


# An epoch is three steps; a write of the best checkpoint and one of the last fsync once each.
@pytest.mark.parametrize(
    ("name", "call"), [("_step", 8), ("_step", 7), ("fsync", 4), ("_save", 2), ("_step", 2)]
)
def test_killed_run_ends_with_the_weights_of_an_uninterrupted_one(
    tiny_recipe, recipe_path, data, fit, tmp_path, name, call
):
    for old, new in (("dropout = 0.0", "dropout = 0.2"), ("epochs = 3", "epochs = 4")):
        recipe_path.write_text(recipe_path.read_text().replace(old, new))
    with recipe_path.open("a") as file:
        file.write("average = 0.9\n\n[augment]\nexchange = 0.5\nsurface = 0.5\n")
    recipe = tiny_recipe()
    arguments = (recipe_path, data, tmp_path / "killed", name, str(call))
    child = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, arguments)], cwd=ROOT, capture_output=True
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    assert_same(fit(recipe, "killed"), fit(recipe, "uninterrupted"))
    assert [row["epoch"] for row in lines(tmp_path / "killed")] == [1, 2, 3, 4]


def test_averaging_the_weights_does_not_change_how_they_are_trained(tiny_recipe, fit):
    plain = load_file(fit(tiny_recipe(), "plain") / "last.safetensors")
    averaged = load_file(fit(tiny_recipe(average=0.9), "averaged") / "last.safetensors")
    weights = [name for name in plain if name.startswith("weights.")]
    assert all(torch.equal(plain[name], averaged[name]) for name in weights)
    assert not all(torch.equal(averaged[n], averaged[f"average{n[7:]}"]) for n in weights)


def test_finished_run_is_not_trained_again(tiny_recipe, fit):
    out = fit(tiny_recipe())
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    fit(tiny_recipe())
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_folder_of_another_recipe_is_refused(tiny_recipe, fit):
    fit(tiny_recipe())
    with pytest.raises(DataError, match=r"last\.safetensors is a run of another recipe"):
        fit(tiny_recipe(learning_rate=2e-2))


def test_loss_that_is_not_finite_stops_the_run(tiny_recipe, fit):
    with pytest.raises(DataError, match=r"the loss is nan at step .*lower learning_rate"):
        fit(tiny_recipe(learning_rate=1e30))


def test_tags_without_bio_are_learned_as_they_are_but_not_augmented(tiny_recipe, fit, data):
    for path in data.rglob("seq.out"):
        path.write_text(re.sub("[BI]-", "", path.read_text()).replace("O", "WORD"))
    hashes = {
        name: hashlib.sha256((data / name).read_bytes()).hexdigest()
        for name in tiny_recipe().data.files
    }
    recipe = tiny_recipe(epochs=25)
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"files": hashes})})
    assert lines(fit(recipe))[-1]["slots.accuracy"] == 1.0
    with pytest.raises(DataError, match=r"\[augment\] needs exactly one token head, with BIO tags"):
        fit(recipe.model_copy(update={"augment": AugmentConfig(surface=0.5)}), "augmented")


def test_frozen_embeddings_stay(tiny_recipe, fit, data):
    recipe = tiny_recipe(train_embeddings=False)
    before = recipes.prepare(recipe, data).checkpoint.network.state_dict()
    after = checkpoints.load(fit(recipe) / "best.safetensors").network.state_dict()
    assert torch.equal(before["frontend.tokens.weight"], after["frontend.tokens.weight"])
    assert not torch.equal(
        before["heads.intent.linear.weight"], after["heads.intent.linear.weight"]
    )


def probabilities(checkpoint: checkpoints.Checkpoint, examples) -> dict[str, torch.Tensor]:
    """By head, at temperature 2: of each word, or of each example."""
    batch = collate(examples, checkpoint, checkpoint.preprocessor())
    with torch.inference_mode():
        logits = checkpoint.network.eval()(batch.arrays).logits
    logits["slots"] = logits["slots"][batch.targets["slots"] >= 0]
    return {name: (value / 2.0).softmax(-1) for name, value in logits.items()}


def test_student_comes_nearer_to_the_mean_of_its_teachers(tiny_recipe, fit, data):
    paths = []
    for seed, vocabulary in ((1, 67), (2, 90)):  # a teacher may have another tokenizer
        teacher = tiny_recipe(epochs=25, seed=seed)
        frontend = teacher.frontend.model_copy(update={"vocabulary": vocabulary})
        teacher = teacher.model_copy(update={"frontend": frontend})
        paths.append(fit(teacher, f"teacher{seed}") / "best.safetensors")
    distill = DistillConfig(teachers=tuple(map(str, paths)), weight=1.0, temperature=2.0)
    recipe = tiny_recipe(epochs=25).model_copy(update={"distill": distill})
    prepared = recipes.prepare(recipe, data)
    examples = prepared.splits.dev
    first, second = (probabilities(checkpoints.load(path), examples) for path in paths)

    def divergence(student: checkpoints.Checkpoint) -> float:
        mean = {name: (first[name] + second[name]) / 2 for name in first}
        ours = probabilities(student, examples)
        return sum((p * (p / ours[name]).log()).sum(-1).mean().item() for name, p in mean.items())

    untrained = divergence(prepared.checkpoint)
    trained = divergence(checkpoints.load(fit(recipe, "student") / "best.safetensors"))
    assert trained < 0.05 * untrained


def test_rate_rises_in_a_line_then_falls_in_a_cosine_to_nothing():
    rates = [one_cycle(step, 100, 0.1) for step in range(101)]
    assert rates[:10] == pytest.approx([0.1 * i for i in range(1, 11)])
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0)
    assert all(a > b for a, b in itertools.pairwise(rates[10:]))


def test_deeper_layers_learn_faster_and_heads_at_their_own_rate(tiny_recipe, data):
    recipe = tiny_recipe(layer_decay=0.5, head_rate=3.0, learning_rate=1.0)
    network = recipes.prepare(recipe, data).checkpoint.network
    peaks = {}
    for group in training._groups(network, recipe):
        (parameter,) = group["params"]
        (name,) = [n for n, p in network.named_parameters() if p is parameter]
        part = name.split(".")[0] + (name.split(".")[2] if name.startswith("encoder") else "")
        peaks.setdefault(part, set()).add(group["peak"])
        assert group["weight_decay"] == (0.0 if parameter.ndim == 1 else 0.01)
    assert peaks == {"frontend": {0.25}, "encoder0": {0.5}, "encoder1": {1.0}, "heads": {3.0}}
