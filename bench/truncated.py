"""Truncated against full self-attention: time and memory of one input, by its length.

    python bench/truncated.py [--threads 1]

The network of recipes/digits-speech.toml, its weights random, as it is and without its window, in
ONNX Runtime; each length in a process of its own, so that its peak of memory is its own.
"""

import resource
import statistics
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

import machine
from export.runtime import Runner
from export.sample import sample
from export.to_onnx import to_onnx
from model import recipe as recipes
from model.config import HeadConfig, ModelConfig
from model.network import Network
from model.preprocess.speech import POSITIONS_A_SECOND

ROOT = Path(__file__).parents[1]
SECONDS = (1, 3, 10, 30, 60, 160, 600)
LONGEST_FULL_S = 160  # 8,000 positions: 256 MB for each head
WINDOWS = {"truncated": 16, "full": None}
RUNS = 3


def network(window: int | None) -> Network:
    """The recipe's, with another window."""
    recipe = recipes.read(ROOT / "recipes/digits-speech.toml")
    heads = (HeadConfig(name="frames", kind="token", labels=("a", "b")),)
    encoder = recipe.encoder.model_copy(update={"window": window})
    return Network(
        ModelConfig(
            preprocess=recipe.preprocess, frontend=recipe.frontend, encoder=encoder, heads=heads
        )
    ).eval()


def measure(graph: Path, length: int, threads: int) -> tuple[float, float]:
    """Median milliseconds of a run, and by how many MB the process grew."""
    run = Runner(graph.read_bytes(), ["frames"], threads)
    inputs = network(None).config.preprocess.inputs
    arrays = sample(inputs, 0, 1, length, np.random.default_rng(0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken = []
    for _ in range(RUNS):
        started = time.perf_counter()
        run(arrays)
        taken.append(1000 * (time.perf_counter() - started))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return statistics.median(taken), (after - before) / 1024


def main(threads: Annotated[int, typer.Option(help="of one run")] = 1) -> None:
    """Print the table, write results/truncated.json."""
    table = Table("seconds", "positions", "attention", "ms", "MB")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, window in WINDOWS.items():
            graph = Path(folder) / f"{kind}.onnx"
            to_onnx(network(window), graph)
            for seconds in SECONDS:
                if window is None and seconds > LONGEST_FULL_S:
                    continue
                length = seconds * POSITIONS_A_SECOND
                with get_context("spawn").Pool(1) as pool:
                    taken_ms, grown_mb = pool.apply(measure, (graph, length, threads))
                rows.append(
                    {"attention": kind, "positions": length, "ms": taken_ms, "mb": grown_mb}
                )
                table.add_row(
                    *map(str, (seconds, length, kind, round(taken_ms, 1), round(grown_mb)))
                )
    Console().print(table)
    machine.write("truncated", {"threads": threads, "rows": rows})


if __name__ == "__main__":
    typer.run(main)
