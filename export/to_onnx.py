"""Network -> ONNX, through one wrapper that fixes the order and the names of its outputs."""

import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from export.bundle import AttentionInfo, attention_names, outputs_of
from export.sample import sample
from model.network import Network

OPSET = 20

# It reports every optional package it does not find.
logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)


class ExportedNetwork(nn.Module):
    """Logits of every head, then the attention weights of every layer, as a flat tuple."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network
        self.names = [array.name for array in network.config.preprocess.inputs]

    def forward(self, *arrays: Tensor) -> tuple[Tensor, ...]:
        """The network's inputs, in order."""
        output = self.network(dict(zip(self.names, arrays, strict=True)))
        return (*output.logits.values(), *output.weights)


def output_names(network: Network) -> list[str]:
    """The graph's outputs: the heads' names, then attention.<layer>."""
    heads = [head.name for head in network.config.heads]
    return heads + attention_names(network.config.encoder.layers)


def to_onnx(network: Network, path: Path) -> onnx.ModelProto:
    """Write the fp32 graph to `path`; axes with a name are free."""
    config, rng = network.config, np.random.default_rng(0)
    inputs = config.preprocess.inputs
    # Long enough for several blocks of a window: an axis of 1 would be taken to be always 1.
    length = min(2 * (config.encoder.window or 2) + 1, config.frontend.max_length)
    arrays = sample(inputs, config.frontend.vocabulary or 0, 2, length, rng)
    example = tuple(torch.from_numpy(arrays[array.name]) for array in inputs)
    free = {name: torch.export.Dim(name) for name in ("batch", "length", "edges")}
    shapes = tuple(
        {i: free[axis] for i, axis in enumerate(array.axes) if isinstance(axis, str)}
        for array in inputs
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            ExportedNetwork(network).eval(),
            example,
            input_names=[array.name for array in inputs],
            output_names=output_names(network),
            dynamic_shapes=(shapes,),
            dynamo=True,
            opset_version=OPSET,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export gave no program")
    program.save(path)
    graph = _without_traces(onnx.load(path))
    _name_axes(graph, network)
    onnx.save(graph, path)
    return graph


def _name_axes(model: onnx.ModelProto, network: Network) -> None:
    """The exporter calls a length that was padded and cut again by how it was computed."""
    config = network.config
    encoder = config.encoder
    attention = AttentionInfo(layers=encoder.layers, heads=encoder.heads, window=encoder.window)
    wanted = outputs_of(config.heads, attention, config.preprocess)
    for value, tensor in zip(model.graph.output, wanted, strict=True):
        for size, axis in zip(value.type.tensor_type.shape.dim, tensor.axes, strict=True):
            if isinstance(axis, str):
                size.dim_param = axis


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop what the exporter notes of its own run: stack traces, with the paths of this machine."""
    graph = model.graph
    values = (*graph.value_info, *graph.input, *graph.output, *graph.initializer)
    for part in (model, graph, *graph.node, *values):
        del part.metadata_props[:]
        part.doc_string = ""
    return model
