"""What int8 does to attention: the weights of two bundles of one network, on SNIPS' test split.

    REGARD_DATA=DIR python bench/attention_int8.py FP32_BUNDLE [--int8 bundles/assistant]

A bundle of fp32 is exported from the same checkpoint: `regard export ... --precision fp32`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

import machine
from export.bundle import attention_names, read_file, read_manifest
from export.runtime import Arrays, Runner
from load import snips_test
from model.preprocess.batch import pad
from model.preprocess.text import TextPreprocessor
from subject import ROOT


def weights_of(bundle: Path, precision: str, texts: list[str]) -> Iterator[Arrays]:
    """Of each text each layer's weights (1, heads, query, key)."""
    manifest = read_manifest(bundle)
    tokenizer = read_file(manifest, bundle, "tokenizer.json").decode()
    preprocessor = TextPreprocessor(tokenizer, manifest.max_length)
    graph = read_file(manifest, bundle, manifest.graphs[precision].file)
    run = Runner(graph, attention_names(manifest.attention.layers), threads=1)
    return (run(pad([preprocessor.encode_text(text)])) for text in texts)


def main(
    fp32: Path,
    data: Annotated[Path, typer.Option(envvar="REGARD_DATA", help="Folder with SNIPS.")],
    int8: Path = ROOT / "bundles/assistant",
) -> None:
    """Print the table, write results/attention_int8.json."""
    texts = snips_test(data).read_text("utf-8").splitlines()
    differences: dict[str, list[np.ndarray]] = {}
    same_key: dict[str, list[np.ndarray]] = {}
    pairs = zip(weights_of(fp32, "fp32", texts), weights_of(int8, "int8", texts), strict=True)
    for exact, rounded in pairs:
        for name, weights in exact.items():
            differences.setdefault(name, []).append(np.abs(weights - rounded[name]).ravel())
            agree = weights.argmax(-1) == rounded[name].argmax(-1)
            same_key.setdefault(name, []).append(agree.ravel())
    columns = ("output", "mean_difference", "p99_difference", "max_difference", "same_largest_key")
    summary = []
    for name, arrays in differences.items():
        found = np.concatenate(arrays)
        agreed = np.concatenate(same_key[name]).mean()
        row = (name, found.mean(), np.quantile(found, 0.99), found.max(), agreed)
        summary.append(dict(zip(columns, (name, *map(float, row[1:])), strict=True)))
    every = np.concatenate([array for parts in differences.values() for array in parts])
    table = Table(
        *columns,
        title=f"{len(texts)} utterances; of all {every.size} weights: "
        f"mean {every.mean():.5f}, max {every.max():.3f}",
    )
    for line in summary:
        table.add_row(
            *(f"{cell:.5f}" if isinstance(cell, float) else cell for cell in line.values())
        )
    Console().print(table)
    totals = {"utterances": len(texts), "mean": float(every.mean()), "max": float(every.max())}
    written = machine.write("attention_int8", {"all": totals, "summary": summary})
    Console().print(f"written: {written}")


if __name__ == "__main__":
    typer.run(main)
