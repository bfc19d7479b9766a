"""Arrays -> named outputs, by ONNX Runtime on the CPU."""

import os
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

# Words are encoded one at a time: a pool of the tokenizer's own would only compete for the CPUs.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from export.bundle import BundleError, Manifest, Precision, Tensor, read_file
from export.runtime import open_session

Floats = NDArray[np.float32]
PREFERENCE: tuple[Precision, ...] = ("int8", "fp32", "fp16")
TYPICAL = 16  # positions of an input
CGROUP_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def cpu_quota(cpu_max: Path = CGROUP_CPU_MAX) -> int:
    """CPUs this process may use: its affinity, or less where its control group (v2) allows less."""
    cpus = len(os.sched_getaffinity(0))
    try:
        quota, period = cpu_max.read_text("ascii").split()
    except OSError:
        return cpus
    return cpus if quota == "max" else max(1, min(cpus, int(quota) // int(period)))


def choose_precision(manifest: Manifest, wanted: str) -> Precision:
    """The precision to run: the wanted one, or for "auto" the first of `PREFERENCE` it has.

    Raises:
        BundleError: the bundle does not have it.
    """
    for precision in PREFERENCE:
        if precision in manifest.graphs and wanted in ("auto", precision):
            return precision
    raise BundleError(f"{manifest.name} has no {wanted} graph; it has {sorted(manifest.graphs)}")


class Session:
    """One graph of a bundle, loaded and warmed up. One run at a time.

    Args:
        folder: the bundle.
        manifest: of the bundle.
        precision: of the graph.
        threads: of one run.
        max_positions: of one batch, padding included.
        largest_token: the largest id the tokenizer can give.

    Raises:
        BundleError: the graph was changed, does not have the manifest's inputs and outputs, or
            fails on what requests may hold.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        precision: Precision,
        threads: int,
        max_positions: int,
        largest_token: int,
    ):
        file = manifest.graphs[precision].file
        graph = read_file(manifest, folder, file)
        try:
            self._session = open_session(graph, threads)
        except Exception as error:  # what onnxruntime raises has no type of its own
            raise BundleError(f"{folder / file} is no graph that can be run: {error}") from error
        for sort, nodes, tensors in (
            ("input", self._session.get_inputs(), manifest.inputs),
            ("output", self._session.get_outputs(), manifest.outputs),
        ):
            for node, tensor in zip_longest(nodes, tensors):
                found, expected = _describe(node), _expect(tensor)
                if found != expected:
                    raise BundleError(
                        f"{folder / file} has the {sort} {found}; the manifest says {expected}"
                    )
        try:
            self._warm_up(manifest, max_positions, largest_token)
        except BundleError:
            raise
        except Exception as error:  # as above
            raise BundleError(f"{folder / file} fails: {error}") from error

    def run(
        self, token_ids: NDArray[np.int64], valid: NDArray[np.bool_], outputs: Sequence[str]
    ) -> dict[str, Floats]:
        """token_ids and valid (batch, length) -> the named outputs, axes as in the manifest."""
        arrays = self._session.run(outputs, {"token_ids": token_ids, "valid": valid})
        return dict(zip(outputs, arrays, strict=True))

    def _warm_up(self, manifest: Manifest, max_positions: int, largest_token: int) -> None:
        """The longest input, the memory of which is given back; the most texts; all outputs."""
        heads = manifest.outputs[: len(manifest.heads)]
        give_back = onnxruntime.RunOptions()
        give_back.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        for batch, positions, tensors, options in (
            (1, manifest.max_length, heads, give_back),
            (max(1, max_positions // TYPICAL), min(TYPICAL, manifest.max_length), heads, None),
            (2, 3, manifest.outputs, None),
        ):
            shape = (batch, positions)
            feeds = {"token_ids": np.full(shape, largest_token), "valid": np.ones(shape, np.bool_)}
            names = [tensor.name for tensor in tensors]
            arrays = dict(zip(names, self._session.run(names, feeds, options), strict=True))
            sizes: dict[str | int, int] = {"batch": batch, "length": positions}
            for tensor in tensors:
                found = arrays[tensor.name].shape
                if found != tuple(sizes.get(axis, axis) for axis in tensor.axes):
                    raise BundleError(
                        f"{manifest.name}: for {batch} x {positions} positions the graph gives "
                        f"{tensor.name} {found}; the manifest says {tensor}"
                    )


def _describe(node: onnxruntime.NodeArg | None) -> str:
    return f"{node.name} {node.type} {node.shape}" if node else "(none)"


def _expect(tensor: Tensor | None) -> str:
    types = {"int64": "tensor(int64)", "bool": "tensor(bool)", "float32": "tensor(float)"}
    return f"{tensor.name} {types[tensor.dtype]} {[*tensor.axes]}" if tensor else "(none)"
