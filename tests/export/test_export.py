from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from export import verify
from export.bundle import read_file, read_manifest
from export.export import export
from export.quantize import to_fp16, to_int8
from export.runtime import Runner
from export.to_onnx import output_names, to_onnx
from model.checkpoint import Checkpoint
from model.config import HeadConfig
from model.network import Network


@pytest.fixture(scope="module")
def runs(bundle: Path) -> dict[str, Runner]:
    manifest = read_manifest(bundle)
    return {
        name: Runner(read_file(manifest, bundle, graph.file))
        for name, graph in manifest.graphs.items()
    }


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3), (5, 29)])
def test_fp32_equals_torch_at_shapes_not_used_for_export(trained, runs, shape) -> None:
    network = trained[0].network
    rng = np.random.default_rng(sum(shape))
    token_ids = rng.integers(0, 67, shape)
    valid = np.arange(shape[1]) < rng.integers(1, shape[1] + 1, (shape[0], 1))
    with torch.inference_mode():
        output = network(
            {"token_ids": torch.from_numpy(token_ids), "valid": torch.from_numpy(valid)}
        )
    ours = runs["fp32"]({"token_ids": token_ids, "valid": valid})
    for name, logits in output.logits.items():
        np.testing.assert_allclose(ours[name], logits.numpy(), atol=1e-4)
    for layer, weights in enumerate(output.weights):
        np.testing.assert_allclose(ours[f"attention.{layer}"], weights.numpy(), atol=1e-4)


def test_the_graph_names_its_axes_and_outputs_as_the_manifest_says(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    for graph in manifest.graphs.values():
        model = onnx.load(bundle / graph.file)
        for ours, theirs in (
            (manifest.inputs, model.graph.input),
            (manifest.outputs, model.graph.output),
        ):
            assert [tensor.name for tensor in ours] == [value.name for value in theirs]
            for tensor, value in zip(ours, theirs, strict=True):
                axes = [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
                assert list(tensor.axes) == axes


@pytest.mark.parametrize(
    "options", [{"norm": "pre"}, {"score": "additive"}, {"norm": "post"}, {"window": 5}]
)
def test_every_kind_of_encoder_exports(tiny, tmp_path: Path, options) -> None:
    torch.manual_seed(0)
    network = Network(tiny(**options)).eval()
    run = Runner(to_onnx(network, tmp_path / "graph.onnx").SerializeToString())
    assert run.outputs == output_names(network)
    rng = np.random.default_rng(0)
    token_ids, valid = rng.integers(0, 23, (3, 7)), np.arange(7) < np.array([[7], [1], [4]])
    with torch.inference_mode():
        expected = network(
            {"token_ids": torch.from_numpy(token_ids), "valid": torch.from_numpy(valid)}
        )
    ours = run({"token_ids": token_ids, "valid": valid})
    np.testing.assert_allclose(ours["slots"], expected.logits["slots"].numpy(), atol=1e-5)
    np.testing.assert_allclose(ours["attention.1"], expected.weights[1].numpy(), atol=1e-5)


def test_a_head_with_feedback_exports_in_every_precision(tiny, tmp_path: Path) -> None:
    torch.manual_seed(0)
    said = HeadConfig(name="said", kind="ctc", labels=("_", *"abcd"), feedback=(1,))
    network = Network(tiny(norm="pre").model_copy(update={"heads": (said,)})).eval()
    graph = to_onnx(network, tmp_path / "graph.onnx")
    given = {"token_ids": np.arange(14).reshape(2, 7), "valid": np.ones((2, 7), bool)}
    with torch.inference_mode():
        output = network({name: torch.from_numpy(array) for name, array in given.items()})
    expected = output.logits["said"].numpy()
    for converted, tolerance in ((graph, 1e-5), (to_fp16(graph), 0.01), (to_int8(graph), 0.05)):
        ours = Runner(converted.SerializeToString())(given)["said"]
        np.testing.assert_allclose(ours, expected, atol=tolerance)


def test_a_corrupted_weight_makes_verification_fail(trained, tmp_path: Path) -> None:
    network = trained[0].network
    graph = to_onnx(network, tmp_path / "graph.onnx")
    verify.check_fp32(verify.largest_difference(network, Runner(graph.SerializeToString())))
    product = next(node for node in graph.graph.node if node.op_type == "MatMul")
    weight = next(t for t in graph.graph.initializer if t.name == product.input[1])
    values = np.array(onnx.numpy_helper.to_array(weight))
    values[3, 5] += 0.5
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    run = Runner(graph.SerializeToString())
    with pytest.raises(verify.ParityError, match="the fp32 graph differs from torch by"):
        verify.check_fp32(verify.largest_difference(network, run))


def test_a_failed_export_leaves_the_old_bundle(trained, bundle, tmp_path, monkeypatch) -> None:
    checkpoint, splits = trained
    out = tmp_path / "bundle"
    export(checkpoint, splits.dev, out, ("fp32",))
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    monkeypatch.setattr(verify, "FP32_TOLERANCE", 0.0)
    with pytest.raises(verify.ParityError):
        export(checkpoint, splits.dev, out, ("fp32",))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_int8_that_loses_accuracy_is_refused() -> None:
    verify.check_int8({"f1": 0.95}, {"f1": 0.9475})
    with pytest.raises(verify.ParityError, match=r"int8 takes f1 on dev from 0.9500 to 0.9460"):
        verify.check_int8({"f1": 0.95}, {"f1": 0.946})


def test_fp16_that_answers_differently_is_refused(trained, runs) -> None:
    checkpoint, splits = trained
    verify.check_fp16(checkpoint, runs["fp32"], runs["fp16"], splits.dev)

    def other(given):
        arrays = runs["fp32"](given)
        return arrays | {"intent": -arrays["intent"]}

    with pytest.raises(verify.ParityError, match="fp16 answers"):
        verify.check_fp16(checkpoint, runs["fp32"], other, splits.dev)


def test_int8_answers_do_not_depend_on_the_batch(runs: dict[str, Runner]) -> None:
    """Alone, beside others and padded: every bit of the logits and the weights is the same."""
    rng = np.random.default_rng(5)
    items = [rng.integers(1, 67, length) for length in rng.integers(1, 29, 40)]
    run = runs["int8"]
    alone = [
        run({"token_ids": item[None], "valid": np.ones((1, len(item)), bool)}) for item in items
    ]
    for _ in range(10):
        chosen = rng.permutation(len(items))[: rng.integers(2, 17)]
        longest = max(len(items[i]) for i in chosen) + rng.integers(0, 4)
        token_ids = np.zeros((len(chosen), longest), np.int64)
        for row, i in enumerate(chosen):
            token_ids[row, : len(items[i])] = items[i]
        valid = np.arange(longest) < np.array([[len(items[i])] for i in chosen])
        together = run({"token_ids": token_ids, "valid": valid})
        for row, i in enumerate(chosen):
            n = len(items[i])
            assert (together["slots"][row, :n] == alone[i]["slots"][0]).all()
            assert (together["intent"][row] == alone[i]["intent"][0]).all()
            weights = together["attention.1"][row, :, :n, :n]
            assert (weights == alone[i]["attention.1"][0]).all()


def test_layers_whose_biases_are_zero_become_int8(tiny, tmp_path: Path) -> None:
    """The exporter leaves such a bias out: of a head for the whole input, as a third operand."""
    torch.manual_seed(0)
    network = Network(tiny()).eval()
    biases = [value for name, value in network.named_parameters() if name.endswith("bias")]
    for bias in biases:
        torch.nn.init.zeros_(bias)
    graph = to_onnx(network, tmp_path / "graph.onnx")
    assert [len(node.input) for node in graph.graph.node if node.op_type == "Gemm"] == [2]
    run = Runner(to_int8(graph).SerializeToString())
    token_ids, valid = np.array([[3, 1, 4], [1, 5, 9]]), np.ones((2, 3), bool)
    with torch.inference_mode():
        expected = network(
            {"token_ids": torch.from_numpy(token_ids), "valid": torch.from_numpy(valid)}
        ).logits
    for name, logits in expected.items():
        ours = run({"token_ids": token_ids, "valid": valid})[name]
        np.testing.assert_allclose(ours, logits.numpy(), atol=0.05 * logits.abs().max().item())


def test_int8_is_a_quarter_and_fp16_half_of_fp32(trained, tmp_path: Path) -> None:
    """Of the weights: a network wide enough for them to count."""
    checkpoint: Checkpoint = trained[0]
    config = checkpoint.network.config
    wide = config.encoder.model_copy(update={"d_model": 256, "d_hidden": 1024})
    network = Network(config.model_copy(update={"encoder": wide})).eval()
    graph = to_onnx(network, tmp_path / "graph.onnx")
    size = graph.ByteSize()
    assert to_fp16(graph).ByteSize() < 0.52 * size
    assert to_int8(graph).ByteSize() < 0.29 * size


def test_no_graph_tells_where_it_was_made(bundle: Path) -> None:
    for path in bundle.glob("*.onnx"):
        content = path.read_bytes()
        assert str(Path(torch.__file__).parent).encode() not in content
        assert str(Path(__file__).parents[2]).encode() not in content
        assert b"stack_trace" not in content
