"""Network -> ONNX, through one wrapper that fixes the order and the names of its outputs."""

import logging
import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from export.bundle import attention_names
from model.network import Network

OPSET = 20

# It reports every optional package it does not find.
logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)


class ExportedNetwork(nn.Module):
    """Logits of every head, then the attention weights of every layer, as a flat tuple."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network

    def forward(self, token_ids: Tensor, valid: Tensor) -> tuple[Tensor, ...]:
        """Token ids and valid, both (batch, length)."""
        output = self.network(token_ids, valid)
        return (*output.logits.values(), *output.weights)


def output_names(network: Network) -> list[str]:
    """The graph's outputs: the heads' names, then attention.<layer>."""
    heads = [head.name for head in network.config.heads]
    return heads + attention_names(network.config.encoder.layers)


def to_onnx(network: Network, path: Path) -> onnx.ModelProto:
    """Write the fp32 graph to `path`; batch and length are free."""
    example = torch.ones(2, 5, dtype=torch.int64), torch.ones(2, 5, dtype=torch.bool)
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            ExportedNetwork(network).eval(),
            example,
            input_names=["token_ids", "valid"],
            output_names=output_names(network),
            dynamic_shapes={"token_ids": axes, "valid": axes},
            dynamo=True,
            opset_version=OPSET,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export gave no program")
    program.save(path)
    graph = _without_traces(onnx.load(path))
    onnx.save(graph, path)
    return graph


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop what the exporter notes of its own run: stack traces, with the paths of this machine."""
    graph = model.graph
    values = (*graph.value_info, *graph.input, *graph.output, *graph.initializer)
    for part in (model, graph, *graph.node, *values):
        del part.metadata_props[:]
        part.doc_string = ""
    return model
