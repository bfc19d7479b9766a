"""Is an exported graph the network? Checked against torch, and by its accuracy on dev."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto, helper

from export.bundle import attention_names
from export.runtime import Arrays, Runner
from model.checkpoint import Checkpoint
from model.data.examples import Example
from model.evaluate import evaluate, predict
from model.network import Network

SHAPES = ((1, 1), (1, 9), (2, 3), (5, 33))  # none of them is the shape used for export
FP32_TOLERANCE = 1e-4
INT8_LOSS = 0.003
FP16_AGREEMENT = 0.999
FP16_RANGE = 32_752.0  # half of what fp16 can hold


class ParityError(RuntimeError):
    """The graph does not answer as the network does; says where and by how much."""


def largest_difference(network: Network, run: Runner) -> float:
    """The largest difference of any logit or attention weight, over `SHAPES`, padding included."""
    rng = np.random.default_rng(0)
    largest = 0.0
    for batch, longest in SHAPES:
        length = min(longest, network.config.frontend.max_length)
        token_ids = rng.integers(0, network.config.frontend.vocabulary, (batch, length))
        valid = np.arange(length) < rng.integers(1, length + 1, (batch, 1))
        ours = run(token_ids, valid)
        for name, expected in _torch(network, token_ids, valid).items():
            if ours[name].shape != expected.shape:
                raise ParityError(
                    f"output {name} is {ours[name].shape} for an input of {(batch, length)}; "
                    f"torch gives {expected.shape}"
                )
            largest = max(largest, float(np.abs(ours[name] - expected).max()))
    return largest


def check_fp32(difference: float) -> None:
    """Raise ParityError where the fp32 graph is not the network."""
    if not difference <= FP32_TOLERANCE:
        raise ParityError(
            f"the fp32 graph differs from torch by {difference:.2g}; at most {FP32_TOLERANCE}"
        )


def accuracy(checkpoint: Checkpoint, run: Runner, dev: Sequence[Example]) -> dict[str, float]:
    """Metrics of the graph on dev."""
    return evaluate(run, checkpoint.preprocessor(), checkpoint.network.config.heads, dev)


def check_int8(fp32: dict[str, float], int8: dict[str, float]) -> None:
    """Raise ParityError where int8 costs more than 0.3 points of any metric."""
    for name, value in fp32.items():
        if int8[name] < value - INT8_LOSS:
            raise ParityError(
                f"int8 takes {name} on dev from {value:.4f} to {int8[name]:.4f}; "
                f"it may lose at most {INT8_LOSS}"
            )


def check_fp16(checkpoint: Checkpoint, fp32: Runner, fp16: Runner, dev: Sequence[Example]) -> None:
    """Raise ParityError where fp16 gives less than 99.9 % of dev's labels as fp32 does."""
    preprocessor, heads = checkpoint.preprocessor(), checkpoint.network.config.heads
    same = total = 0
    answers = (predict(run, preprocessor, heads, dev) for run in (fp32, fp16))
    for one, other in zip(*answers, strict=True):
        for name, label in one.items():
            # A class is one label, tags are one a word.
            ours, theirs = ([x] if isinstance(x, str) else x for x in (label, other[name]))
            equal = [a == b for a, b in zip(ours, theirs, strict=True)]
            same, total = same + sum(equal), total + len(equal)
    if same < FP16_AGREEMENT * total:
        raise ParityError(f"fp16 answers {same} of {total} labels as fp32 does")


def check_range(graph: ModelProto, checkpoint: Checkpoint, dev: Sequence[Example]) -> None:
    """Raise ParityError where the fp32 graph computes values on dev that fp16 could not hold.

    To run the fp16 graph would not tell: a CPU computes it in fp32, rounding only some results.

    Args:
        graph: the fp32 graph.
        checkpoint: whose preprocessing it needs.
        dev: examples.
    """
    watched = ModelProto.FromString(graph.SerializeToString())
    outputs = {value.name for value in graph.graph.output}
    for node in watched.graph.node:
        if node.op_type != "Where":  # it writes the least number there is, which fp16 has as well
            watched.graph.output.extend(
                helper.make_empty_tensor_value_info(name)
                for name in node.output
                if name not in outputs
            )
    run = Runner(watched.SerializeToString())

    def check(token_ids: NDArray[np.int64], valid: NDArray[np.bool_]) -> Arrays:
        arrays = run(token_ids, valid)
        for name, array in arrays.items():
            if array.dtype == np.float32 and (largest := float(np.abs(array).max())) > FP16_RANGE:
                raise ParityError(f"fp16 has no room for {name}: {largest:.0f} on dev")
        return arrays

    for _ in predict(check, checkpoint.preprocessor(), checkpoint.network.config.heads, dev):
        pass


def _torch(network: Network, token_ids: NDArray[np.int64], valid: NDArray[np.bool_]) -> Arrays:
    with torch.inference_mode():
        output = network(torch.from_numpy(token_ids), torch.from_numpy(valid))
    names = attention_names(len(output.weights))
    tensors = output.logits | dict(zip(names, output.weights, strict=True))
    return {name: tensor.numpy() for name, tensor in tensors.items()}
