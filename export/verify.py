"""Is an exported graph the network? Checked against torch, and by its accuracy on dev."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto, helper

from export.bundle import attention_names
from export.runtime import Outputs, Runner
from export.sample import sample
from model.checkpoint import Checkpoint
from model.data.examples import Example
from model.evaluate import ERRORS, evaluate, predict
from model.network import Network
from model.preprocess.batch import Arrays

SHAPES = ((1, 1), (1, 9), (2, 3), (5, 33))  # none of them is the shape used for export
FP32_TOLERANCE = 1e-4
INT8_LOSS = 0.003
FP16_AGREEMENT = 0.999
FP16_RANGE = 32_752.0  # half of what fp16 can hold


class ParityError(RuntimeError):
    """The graph does not answer as the network does; says where and by how much."""


def largest_difference(network: Network, run: Runner) -> float:
    """The largest difference of any logit or attention weight, over `SHAPES`, padding included."""
    rng, config = np.random.default_rng(0), network.config
    largest = 0.0
    for batch, longest in SHAPES:
        length = min(longest, config.frontend.max_length)
        tokens = config.frontend.vocabulary or 0
        arrays = sample(config.preprocess.inputs, tokens, batch, length, rng)
        ours = run(arrays)
        for name, expected in _torch(network, arrays).items():
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
        worse = int8[name] - value if name.endswith(ERRORS) else value - int8[name]
        if worse > INT8_LOSS:
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
            # A class or a value is one, tags are one a word.
            ours, theirs = (x if isinstance(x, tuple) else (x,) for x in (label, other[name]))
            same += sum(a == b for a, b in zip(ours, theirs, strict=False))
            total += max(len(ours), len(theirs))
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

    def check(given: Arrays) -> Outputs:
        arrays = run(given)
        for name, array in {**given, **arrays}.items():
            if array.dtype == np.float32 and (largest := float(np.abs(array).max())) > FP16_RANGE:
                raise ParityError(f"fp16 has no room for {name}: {largest:.0f} on dev")
        return arrays

    for _ in predict(check, checkpoint.preprocessor(), checkpoint.network.config.heads, dev):
        pass


def _torch(network: Network, arrays: Arrays) -> dict[str, NDArray[np.floating]]:
    with torch.inference_mode():
        output = network({name: torch.from_numpy(array) for name, array in arrays.items()})
    names = attention_names(len(output.weights))
    tensors = output.logits | dict(zip(names, output.weights, strict=True))
    return {name: tensor.numpy() for name, tensor in tensors.items()}
