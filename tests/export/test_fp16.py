"""The fp16 graph, computed by a reference that rounds every result as fp16 asks.

ONNX Runtime computes it in fp32 on a CPU; a GPU rounds.
"""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from export import verify
from export.bundle import read_file, read_manifest
from export.quantize import to_fp16
from export.runtime import Runner
from export.to_onnx import to_onnx
from model.network import Network


@pytest.fixture(scope="module")
def graphs(bundle: Path) -> dict[str, bytes]:
    manifest = read_manifest(bundle)
    return {name: read_file(manifest, bundle, g.file) for name, g in manifest.graphs.items()}


def batch() -> tuple[np.ndarray, np.ndarray]:
    token_ids = np.random.default_rng(0).integers(1, 67, (3, 8))
    return token_ids, np.arange(8) < np.array([[8], [1], [5]])


def reference(graph: bytes, token_ids: np.ndarray, valid: np.ndarray) -> dict[str, np.ndarray]:
    model = onnx.load_from_string(graph)
    with np.errstate(over="ignore"):  # the least number less another is minus infinity
        arrays = ReferenceEvaluator(model).run(None, {"token_ids": token_ids, "valid": valid})
    return dict(zip((value.name for value in model.graph.output), arrays, strict=True))


def test_rounding_every_result_costs_no_more_than_fp16_has_digits(graphs) -> None:
    token_ids, valid = batch()
    exact, rounded = (
        Runner(graphs["fp32"])({"token_ids": token_ids, "valid": valid}),
        reference(graphs["fp16"], *batch()),
    )
    assert (exact["slots"] != rounded["slots"]).any()
    for name, expected in exact.items():
        assert rounded[name].dtype == np.float32
        np.testing.assert_allclose(rounded[name], expected, atol=0.05, err_msg=name)


def test_rounded_weights_still_sum_to_one_and_none_falls_on_padding(graphs) -> None:
    token_ids, valid = batch()
    rounded = reference(graphs["fp16"], token_ids, valid)
    for name in ("attention.0", "attention.1"):
        np.testing.assert_allclose(rounded[name].sum(-1), 1, atol=2e-3)
        assert (
            rounded[name][~np.broadcast_to(valid[:, None, None], rounded[name].shape)] == 0
        ).all()


def test_padding_changes_nothing_but_the_rounding(graphs) -> None:
    token_ids, valid = batch()
    together = reference(graphs["fp16"], token_ids, valid)
    for row, length in enumerate(valid.sum(1)):
        item = token_ids[row : row + 1, :length]
        alone = reference(graphs["fp16"], item, np.ones(item.shape, bool))
        np.testing.assert_allclose(together["slots"][row, :length], alone["slots"][0], atol=0.02)
        np.testing.assert_allclose(together["intent"][row], alone["intent"][0], atol=0.02)


def test_what_marks_masked_keys_is_the_least_number_of_fp16(graphs) -> None:
    graph = onnx.load_from_string(graphs["fp16"]).graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    marks = {float(values[node.input[1]]) for node in graph.node if node.op_type == "Where"}
    assert marks == {float(np.finfo(np.float16).min)}


def test_a_network_whose_values_fp16_could_not_hold_is_refused(trained, tmp_path: Path) -> None:
    checkpoint, splits = trained
    graph = to_onnx(checkpoint.network, tmp_path / "graph.onnx")
    verify.check_range(graph, checkpoint, splits.dev)
    product = next(node for node in graph.graph.node if node.op_type == "MatMul")
    weight = next(t for t in graph.graph.initializer if t.name == product.input[1])
    larger = np.array(numpy_helper.to_array(weight)) * 1e5
    weight.CopyFrom(numpy_helper.from_array(larger, weight.name))
    with pytest.raises(verify.ParityError, match=rf"fp16 has no room for {product.output[0]}: \d+"):
        verify.check_range(graph, checkpoint, splits.dev)


@pytest.mark.parametrize("options", [{"norm": "pre"}, {"score": "additive"}])
def test_every_kind_of_encoder_becomes_fp16(tiny, tmp_path: Path, options) -> None:
    torch.manual_seed(0)
    graph = to_onnx(Network(tiny(**options)).eval(), tmp_path / "graph.onnx")
    token_ids, valid = batch()
    token_ids = token_ids % 23
    exact = Runner(graph.SerializeToString())({"token_ids": token_ids, "valid": valid})
    rounded = reference(to_fp16(graph).SerializeToString(), token_ids, valid)
    np.testing.assert_allclose(rounded["slots"], exact["slots"], atol=0.05)
