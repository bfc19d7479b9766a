"""Checkpoint -> bundle, verified."""

import shutil
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

import onnx

from export import verify
from export.bundle import (
    TOKENIZER,
    AttentionInfo,
    Graph,
    Manifest,
    Precision,
    describe_file,
    inputs_of,
    outputs_of,
    write_manifest,
)
from export.quantize import to_fp16, to_int8
from export.runtime import Runner
from export.to_onnx import to_onnx
from model.checkpoint import Checkpoint
from model.data.examples import Example
from model.recipe import Recipe

CONVERT: dict[Precision, Callable[[onnx.ModelProto], onnx.ModelProto]] = {
    "fp32": lambda graph: graph,
    "fp16": to_fp16,
    "int8": to_int8,
}
TOOLS = ("torch", "onnx", "onnxruntime", "tokenizers")


def export(
    checkpoint: Checkpoint,
    dev: Sequence[Example],
    out: Path,
    precisions: Sequence[Precision],
    version: str = "1",
) -> Manifest:
    """Write a bundle to the folder `out`, whose model card (README.md), if any, is kept.

    Args:
        checkpoint: as `regard train` wrote it.
        dev: examples that every precision is measured on.
        out: the folder; an older bundle in it is replaced.
        precisions: the graphs to keep.
        version: of the bundle.

    Raises:
        ParityError: a graph does not answer as the network does; `out` is left as it was.
    """
    work = out.with_name(out.name + ".partial")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        graphs = _graphs(checkpoint, dev, work, precisions)
        if checkpoint.tokenizer:
            (work / TOKENIZER).write_text(checkpoint.tokenizer, "utf-8")
        if (card := out / "README.md").is_file():
            shutil.copy(card, work)
        manifest = _manifest(checkpoint, graphs, work, version)
        write_manifest(manifest, work)
        shutil.rmtree(out, ignore_errors=True)
        work.replace(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return manifest


def _graphs(
    checkpoint: Checkpoint, dev: Sequence[Example], work: Path, precisions: Sequence[Precision]
) -> dict[Precision, Graph]:
    """Write and verify one file a precision; fp32 is always made: the others are held to it."""
    reference = to_onnx(checkpoint.network, work / "model.fp32.onnx")
    runs: dict[Precision, Runner] = {}
    graphs: dict[Precision, Graph] = {}
    for precision in dict.fromkeys(("fp32", *precisions)):
        path = work / f"model.{precision}.onnx"
        path.write_bytes(CONVERT[precision](reference).SerializeToString())
        run = runs[precision] = Runner(path.read_bytes())
        parity = verify.largest_difference(checkpoint.network, run)
        metrics = verify.accuracy(checkpoint, run, dev)
        graphs[precision] = Graph(file=path.name, parity=parity, dev=metrics)
    verify.check_fp32(graphs["fp32"].parity)
    if "int8" in graphs:
        verify.check_int8(graphs["fp32"].dev, graphs["int8"].dev)
    if "fp16" in graphs:
        verify.check_range(reference, checkpoint, dev)
        verify.check_fp16(checkpoint, runs["fp32"], runs["fp16"], dev)
    if "fp32" not in precisions:
        (work / graphs.pop("fp32").file).unlink()
    return graphs


def _manifest(
    checkpoint: Checkpoint, graphs: dict[Precision, Graph], work: Path, version: str
) -> Manifest:
    recipe, config = Recipe.model_validate(checkpoint.about["recipe"]), checkpoint.network.config
    encoder = config.encoder
    attention = AttentionInfo(layers=encoder.layers, heads=encoder.heads, window=encoder.window)
    names = [graph.file for graph in graphs.values()]
    if checkpoint.tokenizer:
        names.append(TOKENIZER)
    return Manifest(
        name=recipe.name,
        version=version,
        description=recipe.description,
        license=recipe.license,
        preprocess=config.preprocess,
        heads=config.heads,
        attention=attention,
        max_length=config.frontend.max_length,
        inputs=inputs_of(config.preprocess),
        outputs=outputs_of(config.heads, attention, config.preprocess),
        graphs=graphs,
        files={name: describe_file(work / name) for name in names},
        data=recipe.data,
        examples=recipe.examples,
        tools={tool: metadata.version(tool) for tool in TOOLS},
    )
