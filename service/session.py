"""Arrays -> named outputs, by ONNX Runtime on the CPU."""

import os
from collections.abc import Sequence
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

    Raises:
        BundleError: the graph was changed, or it does not have the manifest's inputs and outputs.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        precision: Precision,
        threads: int,
        max_positions: int,
    ):
        file = manifest.graphs[precision].file
        graph = read_file(manifest, folder, file)
        try:
            self._session = open_session(graph, threads)
        except Exception as error:  # what onnxruntime raises has no type of its own
            raise BundleError(f"{folder / file} is no graph that can be run: {error}") from error
        for found, expected in (
            (self._session.get_inputs(), manifest.inputs),
            (self._session.get_outputs(), manifest.outputs),
        ):
            if (signature := _signature(found)) != _expected(expected):
                raise BundleError(
                    f"{folder / file} has {signature}; the manifest says {_expected(expected)}"
                )
        self._warm_up(manifest, max_positions)

    def run(
        self, token_ids: NDArray[np.int64], valid: NDArray[np.bool_], outputs: Sequence[str]
    ) -> dict[str, Floats]:
        """token_ids and valid (batch, length) -> the named outputs, axes as in the manifest."""
        arrays = self._session.run(outputs, {"token_ids": token_ids, "valid": valid})
        return dict(zip(outputs, arrays, strict=True))

    def _warm_up(self, manifest: Manifest, max_positions: int) -> None:
        """The largest batch first, so that memory is taken once; then a small one."""
        names = [tensor.name for tensor in manifest.outputs]
        length = min(manifest.max_length, max_positions)
        for shape in ((max_positions // length, length), (1, min(length, 8))):
            self.run(np.zeros(shape, np.int64), np.ones(shape, np.bool_), names)


def _signature(arguments: Sequence[onnxruntime.NodeArg]) -> list[tuple[str, str, list[str | int]]]:
    return [(argument.name, argument.type, list(argument.shape)) for argument in arguments]


def _expected(tensors: Sequence[Tensor]) -> list[tuple[str, str, list[str | int]]]:
    types = {"int64": "tensor(int64)", "bool": "tensor(bool)", "float32": "tensor(float)"}
    return [(tensor.name, types[tensor.dtype], list(tensor.axes)) for tensor in tensors]
