"""Attention along edges against the same under a mask: time and memory of one graph, by its size.

    python bench/graph.py

The encoder of recipes/papers.toml, its weights random, on 64 features a node; graphs of edges at
random. The mask is of every pair of nodes, and gives the same answers, which is checked.
"""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

import machine
from export.runtime import Runner
from export.to_onnx import to_onnx
from growth import measure
from model import recipe as recipes
from model.attention import MultiHeadSelfAttention, attention
from model.config import GraphConfig, HeadConfig, ModelConfig
from model.network import Network
from model.preprocess.batch import Arrays, pad
from model.preprocess.graph import Graph, GraphPreprocessor

RECIPE = recipes.read(Path(__file__).parents[1] / "recipes/papers.toml")
PREPROCESS = GraphConfig(modality="graph", features=64, max_edges=1_000_000)
NODES = (500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
DEGREES = (2, 10, 20)  # others than DEGREE
DEGREE = 5  # edges for each node, both ways and its own included; Cora has 4.9
MOST_NODES = 5_000  # under a mask: one tensor of scores is 800 MB


class MaskedAttention(nn.Module):
    """What `edge_attention` computes, by way of all pairs of positions."""

    def __init__(self, sparse: MultiHeadSelfAttention):
        super().__init__()
        self.heads, self.qkv, self.out = sparse.heads, sparse.qkv, sparse.out

    def forward(self, hidden: Tensor, valid: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """See `MultiHeadSelfAttention`."""
        batch, length, _ = hidden.shape
        pairs = edges[..., 0] * length + edges[..., 1]
        pairs = pairs.where(edges[..., 0] >= 0, length**2)  # beyond the last: no edge
        mask = torch.zeros(batch, length**2 + 1, dtype=torch.bool)
        mask = mask.scatter(1, pairs, torch.ones_like(pairs, dtype=torch.bool))[:, :-1]
        query, key, value = (
            each.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for each in self.qkv(hidden).chunk(3, dim=-1)
        )
        mask = mask.unflatten(1, (length, length)).unsqueeze(1)
        context, weights = attention(query, key, value, mask)
        along = pairs.clamp(max=length**2 - 1).unsqueeze(1).expand(-1, self.heads, -1)
        return self.out(context.transpose(1, 2).flatten(2)), weights.flatten(2).gather(2, along)


def graph(nodes: int, degree: int) -> Arrays:
    """One input, its edges at random."""
    rng = np.random.default_rng(0)
    edges = rng.integers(0, nodes, ((degree - 1) * nodes // 2, 2))
    source = Graph(rng.standard_normal((nodes, PREPROCESS.features), np.float32), edges)
    return pad([GraphPreprocessor(PREPROCESS, nodes).encode(source)])


def networks(folder: Path) -> dict[str, Path]:
    """Both forms, of the same weights, in ONNX."""
    config = ModelConfig(
        preprocess=PREPROCESS,
        frontend=RECIPE.frontend,
        encoder=RECIPE.encoder,
        heads=(HeadConfig(name="topic", kind="token", labels=("a", "b")),),
    )
    network = Network(config).eval()
    to_onnx(network, edges := folder / "edges.onnx")
    for layer in network.encoder.layers:
        layer.attention = MaskedAttention(layer.attention)
    to_onnx(network, mask := folder / "mask.onnx")
    given = graph(min(NODES), DEGREE)
    one, other = (Runner(file.read_bytes(), ["topic"], 1)(given)["topic"] for file in (edges, mask))
    np.testing.assert_allclose(one, other, atol=1e-4)
    return {"edges": edges, "mask": mask}


def main() -> None:
    """Print the table, write results/graph.json."""
    table = Table("attention", "nodes", "edges", "ms", "MB")
    rows = []
    sizes = [(nodes, DEGREE) for nodes in NODES] + [(10_000, degree) for degree in DEGREES]
    with tempfile.TemporaryDirectory() as folder:
        for kind, file in networks(Path(folder)).items():
            for nodes, degree in sizes:
                if kind == "mask" and nodes > MOST_NODES:
                    continue
                taken_ms, grown_mb = measure(file, partial(graph, nodes, degree))
                edges = graph(nodes, degree)["edges"].shape[1]
                row = {"attention": kind, "nodes": nodes, "edges": edges}
                rows.append(row | {"ms": taken_ms, "mb": grown_mb})
                table.add_row(*map(str, row.values()), f"{taken_ms:.1f}", f"{grown_mb:.0f}")
    Console().print(table)
    Console().print(f"written: {machine.write('graph', {'rows': rows})}")


if __name__ == "__main__":
    typer.run(main)
