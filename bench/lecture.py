"""What a lecture on self-attention claims, measured: small networks that differ in one thing.

    REGARD_DATA=DIR python bench/lecture.py

DIR is SNIPS, as recipes/assistant-small.toml has it; accuracy is measured on its dev split, which
chooses nothing: the last weights count. Networks that are compared train for as many steps. Every
result is kept in results/lecture.json at once, and what is there is not measured again.
`lecture_figures.py` draws them.
"""

import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Annotated

import torch
import typer

import machine
from baselines import make_network
from model import recipe as recipes
from model.checkpoint import Checkpoint
from model.config import HeadConfig, ModelConfig
from model.data.examples import Example, Splits
from model.recipe import Prepared, Recipe
from model.train import train
from model.training_config import AugmentConfig, TrainConfig
from regard import MALLOC

ROOT = Path(__file__).parents[1]
TRAINING = TrainConfig(epochs=1, batch_size=16, learning_rate=2e-3, average=0.99)
ALL = 13084  # training sentences
SEEN = 2 * ALL  # inputs that a network sees in training; fewer different ones come again
JOINED = 8000  # inputs of joined sentences, each seen once
SEEDS = (0, 1)
KINDS = ("full", "convolution", "lstm")
LONG = ("full", "truncated", "linear")
FAR = (1, 3, 9)  # sentences in a row
LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096)
ROUNDS = 5


@dataclass(frozen=True)
class Trial:
    """One training, and how it differs from the first: Trial().

    Attributes:
        mixer: see `baselines.make_network`.
        positions: of FrontendConfig.
        score: of EncoderConfig; heads and layers too.
        examples: different training inputs.
        joined: 0: every sentence alone, its slots and its intent asked for. Else so many sentences
            in a row, and the last word is asked for the intent of the first of them.
        seed: of the weights, and of the order of the examples.
    """

    mixer: str = "full"
    positions: str = "sinusoidal"
    score: str = "dot"
    heads: int = 4
    layers: int = 3
    examples: int = ALL
    joined: int = 0
    seed: int = 0


BASE = Trial()


def _far(mixers: tuple[str, ...]) -> list[Trial]:
    inputs = replace(BASE, examples=JOINED)
    return [replace(inputs, mixer=mixer, joined=each) for each in FAR for mixer in mixers]


FIGURES = {
    "positions": [replace(BASE, positions=each) for each in ("none", "sinusoidal", "learned")],
    "scores": [replace(BASE, score=each) for each in ("dot", "additive")],
    "normalisation": [replace(BASE, mixer=each) for each in ("full", "relu")],
    "heads": [replace(BASE, heads=each) for each in (1, 2, 4, 6, 12)],
    "layers": [replace(BASE, layers=each) for each in (1, 2, 3, 4, 5, 6)],
    "examples": [
        replace(BASE, mixer=kind, examples=each)
        for each in (250, 1000, 4000, ALL)
        for kind in KINDS
    ],
    "distance": _far(KINDS),
    "long": _far(LONG),
}


def base_recipe() -> Recipe:
    """recipes/assistant-small.toml: smaller, and without its teacher and its augmentation."""
    recipe = recipes.read(ROOT / "recipes/assistant-small.toml")
    encoder = {"layers": BASE.layers, "heads": BASE.heads, "d_model": 96, "d_hidden": 384}
    return recipe.model_copy(
        update={
            "start": None,
            "distill": None,
            "augment": AugmentConfig(),
            "encoder": recipe.encoder.model_copy(update=encoder),
            "heads": tuple(head.model_copy(update={"pool": "mean"}) for head in recipe.heads),
            "training": TRAINING,
        }
    )


def prepare(trial: Trial, base: Prepared) -> Prepared:
    """The network and the examples of one trial; the tokenizer is that of all the sentences."""
    network = base.checkpoint.network
    config, splits = network.config, base.splits
    frontend, heads = {"positions": trial.positions}, config.heads
    rng = random.Random(trial.seed)
    if trial.joined:
        frontend["max_length"] = 1024
        heads = (HeadConfig(name="first", kind="token", labels=heads[1].labels),)
        splits = Splits(
            [*islice(_joined(splits.train, trial.joined, rng), trial.examples)],
            [*islice(_joined(splits.dev, trial.joined, random.Random(0)), len(splits.dev))],
            [],
        )
    else:
        chosen = rng.sample(splits.train, trial.examples)
        splits = splits._replace(train=(chosen * (SEEN // trial.examples + 1))[:SEEN])
    changed = {"score": trial.score, "heads": trial.heads, "layers": trial.layers}
    torch.manual_seed(trial.seed)
    made = make_network(
        ModelConfig(
            preprocess=config.preprocess,
            frontend=config.frontend.model_copy(update=frontend),
            encoder=config.encoder.model_copy(update=changed),
            heads=heads,
        ),
        trial.mixer,
    )
    return Prepared(Checkpoint(made, base.checkpoint.tokenizer, {}), splits)


def _joined(examples: list[Example], count: int, rng: random.Random) -> Iterator[Example]:
    """`count` sentences in a row, drawn by chance, without end."""
    while True:
        drawn = rng.choices(examples, k=count)
        words = tuple(word for example in drawn for word in example.source)
        labels = (*[None] * (len(words) - 1), drawn[0].targets["intent"])
        yield Example(words, {"first": labels})


def measure(trial: Trial, recipe: Recipe, base: Prepared) -> dict[str, float]:
    """The metrics on dev of the last epoch, and the seconds of processor time."""
    training = recipe.training.model_copy(update={"seed": trial.seed})
    started = time.process_time()
    with tempfile.TemporaryDirectory() as out:
        train(recipe.model_copy(update={"training": training}), prepare(trial, base), Path(out))
        last = (Path(out) / "metrics.jsonl").read_text("utf-8").splitlines()[-1]
    metrics = {name: round(value, 4) for name, value in json.loads(last).items() if "." in name}
    return metrics | {"seconds": round(time.process_time() - started, 1)}


def latencies(config: ModelConfig, length: int) -> dict[str, float]:
    """Median milliseconds of processor time of one pass through each encoder, which take turns."""
    hidden = torch.randn(1, length, config.encoder.d_model)
    valid = torch.ones(1, length, dtype=torch.bool)
    encoders = {
        mixer: make_network(config, mixer).encoder.eval() for mixer in dict.fromkeys(KINDS + LONG)
    }
    taken: dict[str, list[float]] = {mixer: [] for mixer in encoders}
    with torch.inference_mode():
        for _ in range(1 + ROUNDS):
            for mixer, encoder in encoders.items():
                started = time.process_time()
                encoder(hidden, valid)
                taken[mixer].append(1000 * (time.process_time() - started))
    return {mixer: round(statistics.median(times[1:]), 2) for mixer, times in taken.items()}


def main(
    data: Annotated[Path, typer.Option(envvar="REGARD_DATA", help="Folder with SNIPS.")],
    figure: Annotated[list[str] | None, typer.Option(help="Only this. [default: all]")] = None,
) -> None:
    """Measure what is not in results/lecture.json yet."""
    if not MALLOC.keys() <= os.environ.keys():
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], MALLOC | os.environ)
    torch.set_num_threads(1)
    path = machine.RESULTS / "lecture.json"
    kept = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    trials, latency = kept.get("trials", []), kept.get("latency", [])
    known = {Trial(**row["trial"]) for row in trials}
    recipe = base_recipe()
    base = recipes.prepare(recipe, data)

    def keep() -> None:
        machine.write("lecture", {"trials": trials, "latency": latency})

    for length in LENGTHS:
        if length not in {row["positions"] for row in latency}:
            ms = latencies(base.checkpoint.network.config, length)
            latency.append({"positions": length, "ms": ms})
            keep()
    for seed in SEEDS:
        for name in figure or FIGURES:
            for trial in (replace(each, seed=seed) for each in FIGURES[name]):
                if trial not in known:
                    known.add(trial)
                    trials.append({"trial": asdict(trial), **measure(trial, recipe, base)})
                    keep()


if __name__ == "__main__":
    typer.run(main)
