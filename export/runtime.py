"""ONNX Runtime on the CPU, set up for encoders; runs where torch is not installed."""

import os

# Both names are in use; whoever imports this package does not want to be reported on.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("ORT_TELEMETRY_DISABLED", "1")

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from model.preprocess.batch import Arrays


def open_session(graph: bytes, threads: int) -> onnxruntime.InferenceSession:
    """Load a serialised ONNX model; a model that refers to a file is refused.

    Args:
        graph: the model.
        threads: of one run; 0: onnxruntime's choice.

    Raises:
        RuntimeError: it cannot be run.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_mem_pattern = False  # patterns are kept for every shape seen
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # External data would be read from the current folder, were this not one that cannot exist.
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", f"{os.devnull}/none"
    )
    return onnxruntime.InferenceSession(
        graph,
        options,
        providers=["CPUExecutionProvider"],
        provider_options=[{"arena_extend_strategy": "kSameAsRequested"}],
    )


class Runner:
    """One graph, run in this process.

    Args:
        graph: a serialised ONNX model.
        outputs: the names of the outputs to compute; None: all.
        threads: of one run; 0: onnxruntime's choice.
    """

    def __init__(self, graph: bytes, outputs: list[str] | None = None, threads: int = 0):
        self.session = open_session(graph, threads)
        self.outputs = outputs or [output.name for output in self.session.get_outputs()]

    def __call__(self, arrays: Arrays) -> dict[str, NDArray[np.floating]]:
        """The graph's inputs, by name -> the outputs by name."""
        outputs = self.session.run(self.outputs, arrays)
        return dict(zip(self.outputs, outputs, strict=True))
