"""What row-wise int8 costs: its graph beside onnxruntime's own dynamic int8 and fp32, one core.

    taskset -c 0 python bench/int8.py CHECKPOINT --data DIR [--rounds 7]

The same network, the same utterances; the graphs take turns.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
import typer
from onnxruntime.quantization import QuantType, quantize_dynamic
from rich.console import Console
from rich.table import Table

import machine
from export.quantize import to_int8
from export.runtime import Runner
from export.to_onnx import to_onnx
from load import snips_test
from model import checkpoint as checkpoints
from model.preprocess.batch import pad

ALONE, SIZE = 200, 16


def graphs(checkpoint: checkpoints.Checkpoint, folder: Path) -> dict[str, bytes]:
    """The three graphs of one network."""
    fp32 = to_onnx(checkpoint.network, folder / "fp32.onnx")
    plain, dynamic = folder / "plain.onnx", folder / "dynamic.onnx"
    del fp32.graph.value_info[:]  # else shape inference fails on transposed weights
    onnx.save(fp32, plain)
    quantize_dynamic(
        plain,
        dynamic,
        per_channel=True,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul"],
    )
    return {
        "quantize_dynamic": dynamic.read_bytes(),
        "row-wise int8": to_int8(fp32).SerializeToString(),
        "fp32": plain.read_bytes(),
    }


def seconds(run: Runner, batches: list) -> float:
    """Of running all the batches."""
    started = time.perf_counter()
    for batch in batches:
        run(batch)
    return time.perf_counter() - started


def change_with_batch(run: Runner, items: list) -> float:
    """The largest change of a token logit between an utterance alone and in a batch of 16."""
    largest = 0.0
    for start in range(0, 160, SIZE):
        group = items[start : start + SIZE]
        together = run(pad(group))["slots"]
        for row, item in enumerate(group):
            alone = run(pad([item]))["slots"][0]
            largest = max(largest, float(np.abs(together[row, : item.length] - alone).max()))
    return largest


def main(
    checkpoint: Path,
    data: Annotated[Path, typer.Option(envvar="REGARD_DATA", help="Folder with SNIPS.")],
    rounds: int = 7,
) -> None:
    """Print the table, write results/int8.json."""
    loaded = checkpoints.load(checkpoint)
    texts = snips_test(data)
    preprocessor = loaded.preprocessor()
    items = [preprocessor.encode_text(t) for t in texts.read_text().splitlines()]
    ordered = sorted(items, key=lambda item: item.length)
    alone = [pad([item]) for item in items[:ALONE]]
    batched = [pad(ordered[i : i + SIZE]) for i in range(0, len(ordered), SIZE)]
    heads = [head.name for head in loaded.network.config.heads]
    with tempfile.TemporaryDirectory() as folder:
        made = graphs(loaded, Path(folder))
    runs = {name: Runner(graph, heads, threads=1) for name, graph in made.items()}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            times[name].append((seconds(run, alone), seconds(run, batched)))
    table = Table("graph", "MB", "alone/s", "x time", "batches of 16/s", "x time", "batch effect")
    results = {}
    for name, rows in times.items():
        base = times["quantize_dynamic"]
        pairs = list(zip(rows, base, strict=True))[1:]  # the first round warms up
        row = {
            "megabytes": len(made[name]) / 1e6,
            "alone_per_s": ALONE / statistics.median(a for a, _ in rows[1:]),
            "alone_ratio": statistics.median(a[0] / b[0] for a, b in pairs),
            "batched_per_s": len(items) / statistics.median(b for _, b in rows[1:]),
            "batched_ratio": statistics.median(a[1] / b[1] for a, b in pairs),
            "batch_effect": change_with_batch(runs[name], items),
        }
        results[name] = row
        table.add_row(name, *(f"{value:.4g}" for value in row.values()))
    console = Console()
    console.print(table)
    console.print(f"written: {machine.write('int8', {'graphs': results})}")


if __name__ == "__main__":
    typer.run(main)
