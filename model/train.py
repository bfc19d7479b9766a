"""The training loop: AdamW, one-cycle rate, dev metrics each epoch, resume.

Every epoch draws its randomness from the seed and its own number, so a run that was killed and
resumed gives the same weights as one that was not.
"""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from model import checkpoint as checkpoints
from model.batches import Batch, Batches
from model.checkpoint import Checkpoint
from model.errors import DataError
from model.evaluate import evaluate, is_better
from model.network import Network
from model.preprocess.batch import Arrays
from model.recipe import Prepared, Recipe


def train(recipe: Recipe, prepared: Prepared, out: Path) -> Checkpoint:
    """Train, or go on where a killed run in `out` was.

    Writes to `out`: best.safetensors (the checkpoint that is best on dev),
    last.safetensors (to resume from), metrics.jsonl (a line an epoch).

    Raises:
        DataError: `out` holds a run of another recipe, its tags cannot be augmented, or the loss is
            no longer finite.
    """
    run = _Run(recipe, prepared, out)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    ) as progress:
        for epoch in range(run.resume(), recipe.training.epochs):
            run.epoch(epoch, progress)
    return run.best_checkpoint()


def torch_run(network: Network):
    """The network as `evaluate` wants it, numpy in and out."""

    def run(arrays: Arrays) -> dict[str, NDArray[np.floating]]:
        with torch.inference_mode():
            output = network({name: torch.from_numpy(array) for name, array in arrays.items()})
        return {name: logits.numpy() for name, logits in output.logits.items()}

    return run


class _Run:
    def __init__(self, recipe: Recipe, prepared: Prepared, out: Path):
        self.recipe, self.config, self.splits = recipe, recipe.training, prepared.splits
        self.checkpoint, self.network = prepared.checkpoint, prepared.checkpoint.network
        self.preprocessor = self.checkpoint.preprocessor()
        self.best_path, self.last_path = out / "best.safetensors", out / "last.safetensors"
        self.metrics_path = out / "metrics.jsonl"
        self.average = {n: t.clone() for n, t in self.network.state_dict().items()}
        if not self.config.train_embeddings:
            self.network.frontend.tokens.requires_grad_(False)
        self.optimizer = torch.optim.AdamW(list(_groups(self.network, recipe)), fused=True)
        self.steps_an_epoch = math.ceil(len(self.splits.train) / self.config.batch_size)
        self.batches = Batches(recipe, prepared)
        self.best: float | None = None

    def best_checkpoint(self) -> Checkpoint:
        """The network itself, whatever its encoder is, with the weights that are best on dev."""
        tensors, metadata = checkpoints.read_tensors(self.best_path)
        self.network.load_state_dict(tensors)
        self.network.eval()
        return replace(self.checkpoint, about=json.loads(metadata["about"]))

    def epoch(self, epoch: int, progress: Progress) -> None:
        """One pass over the training examples, then dev."""
        started, losses = time.monotonic(), []
        torch.manual_seed(self.config.seed * 10_000 + epoch)
        self.network.train()
        task = progress.add_task(f"epoch {epoch + 1}", total=self.steps_an_epoch)
        for step, batch in enumerate(self.batches.of_epoch(epoch)):
            losses.append(self._step(batch, epoch * self.steps_an_epoch + step))
            progress.advance(task)
        metrics = self._evaluate()
        row = {"epoch": epoch + 1, "loss": sum(losses) / len(losses), **metrics}
        row["seconds"] = time.monotonic() - started
        summary = "  ".join(f"{k} {v:.4f}" for k, v in row.items() if k != "epoch")
        progress.update(task, description=f"epoch {epoch + 1}: {summary}")
        self._save(epoch, metrics, row)

    def _step(self, batch: Batch, step: int) -> float:
        steps = self.config.epochs * self.steps_an_epoch
        rate = one_cycle(step, steps, self.config.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["peak"]
        loss = self._loss(batch, step / steps)
        if not math.isfinite(value := loss.item()):
            raise DataError(f"the loss is {value} at step {step}; try a lower learning_rate")
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        if self.config.average:
            decay = min(self.config.average, (1 + step) / (10 + step))
            checkpoints.average(self.average, self.network.state_dict(), decay)
        return value

    def _loss(self, batch: Batch, progress: float) -> Tensor:
        weight, valid = self.config.consistency, batch.arrays["valid"]
        with torch.autocast("cpu", torch.bfloat16):
            passes = [self.network(batch.arrays) for _ in range(2 if weight else 1)]
        total = torch.zeros(())
        for name, head in self.network.heads.items():
            several = [output.logits[name].float() for output in passes]
            losses = [self._head_loss(name, logits, batch) for logits in several]
            loss = sum(losses) / len(losses)
            if early := [logits.float() for output in passes for logits in output.early[name]]:
                # As much weight as the last: Nozaki and Komatsu 2021, equation 12.
                losses = [self._head_loss(name, logits, batch) for logits in early]
                loss = (loss + sum(losses) / len(losses)) / 2
            total = total + loss
            if weight:
                # At first all answers are alike, and would agree on one label for everything.
                ready = min(1.0, 2 * progress)
                total = total + ready * weight * head.disagreement(several, valid)
        return total

    def _head_loss(self, name: str, logits: Tensor, batch: Batch) -> Tensor:
        head, target = self.network.heads[name], batch.targets[name]
        loss = head.loss(logits, target, batch.arrays["valid"], self.config.label_smoothing)
        if (distill := self.recipe.distill) is None:
            return loss
        distance = head.distance(logits, batch.taught[name], target, distill.temperature)
        return (1 - distill.weight) * loss + distill.weight * distance

    def _evaluate(self) -> dict[str, float]:
        trained = {n: t.clone() for n, t in self.network.state_dict().items()}
        self.network.load_state_dict(self.average if self.config.average else trained)
        self.network.eval()
        heads = self.network.config.heads
        metrics = evaluate(torch_run(self.network), self.preprocessor, heads, self.splits.dev)
        chosen = metrics[self.config.choose]
        if is_better(self.config.choose, chosen, self.best):
            self.best = chosen
            self.checkpoint.about = {
                "recipe": self.recipe.model_dump(mode="json"),
                "dev": metrics,
            }
            checkpoints.save(self.checkpoint, self.best_path)
        self.network.load_state_dict(trained)
        return metrics

    def _save(self, epoch: int, metrics: dict[str, float], row: dict[str, float]) -> None:
        tensors = {f"weights.{n}": t for n, t in self.network.state_dict().items()}
        tensors |= {f"average.{n}": t for n, t in self.average.items()}
        for name, parameter in self.network.named_parameters():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"{key}.{name}"] = value
        rows = [*self._rows(epoch), json.dumps(row)]
        self.metrics_path.write_text("\n".join(rows) + "\n", "utf-8")
        metadata = {
            "epoch": str(epoch + 1),
            "best": repr(self.best),
            "recipe": self.recipe.model_dump_json(),
        }
        checkpoints.write_tensors(tensors, metadata, self.last_path)

    def _rows(self, epochs: int) -> list[str]:
        if not self.metrics_path.is_file():
            return []
        return self.metrics_path.read_text("utf-8").splitlines()[:epochs]

    def resume(self) -> int:
        """The epoch to go on with."""
        if not self.last_path.is_file():
            return 0
        tensors, metadata = checkpoints.read_tensors(self.last_path)
        if metadata["recipe"] != self.recipe.model_dump_json():
            raise DataError(f"{self.last_path} is a run of another recipe; choose another folder")

        def part(prefix: str) -> dict[str, Tensor]:
            return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}

        self.network.load_state_dict(part("weights."))
        self.average = part("average.")
        moments = {key: part(f"{key}.") for key in ("step", "exp_avg", "exp_avg_sq")}
        for name, parameter in self.network.named_parameters():
            if name in moments["step"]:
                self.optimizer.state[parameter] = {k: v[name] for k, v in moments.items()}
        self.best = float(metadata["best"])
        return int(metadata["epoch"])


def one_cycle(step: int, steps: int, warmup: float) -> float:
    """The rate over its peak: up in a line, down in a cosine (Smith and Topin 2019)."""
    rising = max(1, round(steps * warmup))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def _groups(network: Network, recipe: Recipe) -> Iterator[dict]:
    """Parameters with their peak rate: the deeper the layer the higher, the heads' own."""
    config, layers = recipe.training, network.config.encoder.layers
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        depth = layers
        if name.startswith("frontend."):
            depth = -1
        elif name.startswith("encoder.layers."):
            depth = int(name.split(".")[2])
        scale = config.layer_decay ** (layers - 1 - depth) if depth < layers else 1.0
        if name.startswith("heads."):
            scale = config.head_rate
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        yield {
            "params": [parameter],
            "peak": config.learning_rate * scale,
            "weight_decay": decay,
        }
