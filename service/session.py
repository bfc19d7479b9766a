"""Arrays -> named outputs, by ONNX Runtime."""

import os
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

# Words are encoded one at a time: a pool of the tokenizer's own would only compete for the CPUs.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from export.bundle import BundleError, Manifest, Precision, Tensor, read_file
from export.runtime import Device, Node, Outputs, Runner
from export.sample import extreme
from model.preprocess.batch import Arrays

# What a device runs, the best first; our int8 is of operators that onnxruntime has for CPUs alone.
PRECISIONS: dict[Device, tuple[Precision, ...]] = {
    "cpu": ("int8", "fp32", "fp16"),
    "cuda": ("fp16", "fp32"),
}
TYPICAL = 16  # positions of an input
LONGEST = 8_192  # positions tried beforehand, where an input may have more
CGROUP_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def cpu_quota(cpu_max: Path = CGROUP_CPU_MAX) -> int:
    """CPUs this process may use: its affinity, or less where its control group (v2) allows less."""
    cpus = len(os.sched_getaffinity(0))
    try:
        quota, period = cpu_max.read_text("ascii").split()
    except OSError:
        return cpus
    return cpus if quota == "max" else max(1, min(cpus, int(quota) // int(period)))


def choose_graph(
    manifest: Manifest, wanted: str, devices: Sequence[Device]
) -> tuple[Device, Precision]:
    """Where to run a bundle and in which precision: the first device that runs one it has.

    Args:
        manifest: of the bundle.
        wanted: a precision, or "auto": the best it has.
        devices: that there are, the best first.

    Raises:
        BundleError: it has none that is wanted and that a device runs.
    """
    for device in devices:
        for precision in PRECISIONS[device]:
            if precision in manifest.graphs and wanted in ("auto", precision):
                return device, precision
    has = ", ".join(sorted(manifest.graphs))
    if wanted in manifest.graphs:
        runs = " and ".join(PRECISIONS[devices[0]])
        raise BundleError(f"{manifest.name}: {devices[0]} runs {runs}, not {wanted}; it has {has}")
    lacks = " or ".join(PRECISIONS[devices[-1]]) if wanted == "auto" else wanted
    raise BundleError(f"{manifest.name} has no {lacks} graph for {devices[-1]}; it has {has}")


class Session:
    """One graph of a bundle, loaded and warmed up. One run at a time.

    Args:
        folder: the bundle.
        manifest: of the bundle.
        precision: of the graph.
        device: where it runs.
        threads: of one run.
        max_positions: of one batch, padding included.
        tokens: one more than the largest id the tokenizer can give.

    Raises:
        BundleError: the graph was changed, does not have the manifest's inputs and outputs, or
            fails on what requests may hold.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        precision: Precision,
        device: Device,
        threads: int,
        max_positions: int,
        tokens: int,
    ):
        file = manifest.graphs[precision].file
        graph = read_file(manifest, folder, file)
        try:
            self._runner = Runner(graph, threads=threads, device=device)
        except Exception as error:  # what onnxruntime raises has no type of its own
            raise BundleError(f"{folder / file} is no graph that can be run: {error}") from error
        for sort, nodes, tensors in (
            ("input", self._runner.session.get_inputs(), manifest.inputs),
            ("output", self._runner.session.get_outputs(), manifest.outputs),
        ):
            for node, tensor in zip_longest(nodes, tensors):
                found, expected = _describe(node), _expect(tensor)
                if found != expected:
                    raise BundleError(
                        f"{folder / file} has the {sort} {found}; the manifest says {expected}"
                    )
        try:
            self._warm_up(manifest, max_positions, tokens)
        except BundleError:
            raise
        except Exception as error:  # as above
            raise BundleError(f"{folder / file} fails: {error}") from error

    def run(self, inputs: Arrays, outputs: Sequence[str]) -> Outputs:
        """The manifest's inputs -> the named outputs, axes as in the manifest."""
        return self._runner.run(inputs, outputs)

    def _warm_up(self, manifest: Manifest, max_positions: int, tokens: int) -> None:
        """The longest input, the memory of which is given back; the most texts; all outputs."""
        heads = manifest.outputs[: len(manifest.heads)]
        typical = min(TYPICAL, manifest.max_length)
        for batch, positions, tensors, give_back in (
            (1, min(manifest.max_length, LONGEST), heads, True),
            (max(1, max_positions // TYPICAL), typical, heads, False),
            (2, min(3, manifest.max_length), manifest.outputs, False),
        ):
            inputs = extreme(manifest.inputs, tokens, batch, positions)
            arrays = self._runner.run(inputs, [tensor.name for tensor in tensors], give_back)
            sizes: dict[str | int, int] = {
                name: size
                for tensor in manifest.inputs
                for name, size in zip(tensor.axes, inputs[tensor.name].shape, strict=True)
                if isinstance(name, str)
            }
            for tensor in tensors:
                found = arrays[tensor.name].shape
                if found != tuple(sizes.get(axis, axis) for axis in tensor.axes):
                    raise BundleError(
                        f"{manifest.name}: for {batch} x {positions} positions the graph gives "
                        f"{tensor.name} {found}; the manifest says {tensor}"
                    )


def _describe(node: Node | None) -> str:
    return f"{node.name} {node.type} {node.shape}" if node else "(none)"


def _expect(tensor: Tensor | None) -> str:
    types = {"int64": "tensor(int64)", "bool": "tensor(bool)", "float32": "tensor(float)"}
    return f"{tensor.name} {types[tensor.dtype]} {[*tensor.axes]}" if tensor else "(none)"
