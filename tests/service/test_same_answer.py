"""An input gets the same logits and weights, bit for bit, alone and in any batch."""

from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from export.runtime import Runner
from model.preprocess.batch import pad
from model.preprocess.graph import Graph
from model.preprocess.modalities import make_preprocessor
from tests.service.modalities import MODALITIES

MANY = profile(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def encode(name: str, size: int) -> Any:
    """Something of that many positions, or so; the same each time."""
    rng = np.random.default_rng(size)
    source: Any = rng.standard_normal((size, 5))
    if name == "sound":
        source = (rng.standard_normal(160 * size) / 9).astype(np.float32)
    elif name == "image":
        source = rng.integers(0, 256, (8, 12))
    elif name == "graph":
        source = Graph(source[:40], rng.integers(0, min(size, 40), (25, 2)))
    elif name == "word":
        source = "".join(rng.choice([*"abc'"], 1 + size // 2))
    return make_preprocessor(MODALITIES[name], 60, "").encode(source)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("name", MODALITIES)
def test_an_answer_is_the_same_bit_for_bit_alone_and_in_any_batch(
    modalities: SimpleNamespace, name: str, precision: str
) -> None:
    graph: Path = modalities.folder / name / f"model.{precision}.onnx"
    run = Runner(graph.read_bytes())

    @cache
    def alone(size: int) -> Any:
        return run(pad([encode(name, size)]))

    @MANY
    @given(st.lists(st.integers(1, 59), min_size=2, max_size=9))
    def check(sizes: list[int]) -> None:
        together = run(pad([encode(name, size) for size in sizes]))
        for item, size in enumerate(sizes):
            for output, expected in alone(size).items():
                inside = tuple(map(slice, expected[0].shape))
                assert np.array_equal(together[output][item][inside], expected[0]), output

    check()
