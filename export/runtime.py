"""ONNX Runtime, set up for this project; runs where torch is not installed."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("ORT_TELEMETRY_DISABLED", "1")

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.floating]]


class Runner:
    """One graph, run in this process.

    Args:
        graph: a serialised ONNX model.
        outputs: the names of the outputs to compute; None: all.
        threads: of one run; 0: onnxruntime's choice.
    """

    def __init__(self, graph: bytes, outputs: list[str] | None = None, threads: int = 0):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        self.outputs = outputs or [output.name for output in self.session.get_outputs()]

    def __call__(self, token_ids: NDArray[np.int64], valid: NDArray[np.bool_]) -> Arrays:
        """token_ids and valid (batch, length) -> the outputs by name."""
        arrays = self.session.run(self.outputs, {"token_ids": token_ids, "valid": valid})
        return dict(zip(self.outputs, arrays, strict=True))
