"""Truncated against full self-attention: time and memory of one sound, by its length.

    python bench/truncated.py

The network of recipes/digits-speech.toml, its weights random, as it is and without its window.
"""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

import machine
from export.sample import sample
from export.to_onnx import to_onnx
from growth import measure
from model import recipe as recipes
from model.config import HeadConfig, ModelConfig
from model.network import Network
from model.preprocess.batch import Arrays
from model.preprocess.speech import POSITIONS_A_SECOND

RECIPE = recipes.read(Path(__file__).parents[1] / "recipes/digits-speech.toml")
SECONDS = (1, 3, 10, 30, 60, 160, 600)
LONGEST_FULL_S = 160  # 8,000 positions: one tensor of scores is 1 GB
WINDOWS = {"truncated": RECIPE.encoder.window, "full": None}


def network(window: int | None) -> Network:
    """The recipe's, with another window."""
    config = ModelConfig(
        preprocess=RECIPE.preprocess,
        frontend=RECIPE.frontend,
        encoder=RECIPE.encoder.model_copy(update={"window": window}),
        heads=(HeadConfig(name="frames", kind="token", labels=("a", "b")),),
    )
    return Network(config).eval()


def sound(length: int) -> Arrays:
    """One input of so many positions."""
    return sample(RECIPE.preprocess.inputs, 0, 1, length, np.random.default_rng(0))


def main() -> None:
    """Print the table, write results/truncated.json."""
    table = Table("attention", "seconds", "positions", "ms", "MB")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, window in WINDOWS.items():
            graph = Path(folder) / f"{kind}.onnx"
            to_onnx(network(window), graph)
            for seconds in SECONDS:
                if window is None and seconds > LONGEST_FULL_S:
                    continue
                length = seconds * POSITIONS_A_SECOND
                taken_ms, grown_mb = measure(graph, partial(sound, length))
                row = {"attention": kind, "seconds": seconds, "positions": length}
                rows.append(row | {"ms": taken_ms, "mb": grown_mb})
                table.add_row(*map(str, row.values()), f"{taken_ms:.1f}", f"{grown_mb:.0f}")
    Console().print(table)
    Console().print(f"written: {machine.write('truncated', {'rows': rows})}")


if __name__ == "__main__":
    typer.run(main)
