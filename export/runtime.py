"""ONNX Runtime, set up for encoders; runs where torch is not installed."""

import ctypes
import io
import os
import re
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Literal

# Both names are in use; whoever imports this package does not want to be reported on. So that it
# holds, nobody else imports onnxruntime.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("ORT_TELEMETRY_DISABLED", "1")

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from model.preprocess.batch import Arrays

Device = Literal["cpu", "cuda"]
Node = onnxruntime.NodeArg  # an input or output of a graph
Outputs = dict[str, NDArray[np.floating]]
PROVIDERS: dict[Device, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
OPTIONS: dict[Device, dict[str, str]] = {
    "cpu": {"arena_extend_strategy": "kSameAsRequested"},
    "cuda": {
        "arena_extend_strategy": "kSameAsRequested",  # else twice the last: others share the GPU
        "use_tf32": "0",  # fp32 means fp32
        "cudnn_conv_algo_search": "DEFAULT",  # a search would be made for every new shape
    },
}
ARENAS: dict[Device, str] = {"cpu": "cpu:0", "cuda": "cpu:0;gpu:0"}
WARNING, FATAL = 2, 4  # onnxruntime's severities


def open_session(
    graph: bytes, threads: int, device: Device = "cpu"
) -> onnxruntime.InferenceSession:
    """Load a serialised ONNX model; a model that refers to a file is refused.

    Args:
        graph: the model.
        threads: of one run; 0: onnxruntime's choice. On a GPU it is always one: what is left to
            the CPU are shapes.
        device: where it runs.

    Raises:
        RuntimeError: it cannot be run, or not there.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads if device == "cpu" else 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_mem_pattern = False  # patterns are kept for every shape seen
    options.use_deterministic_compute = device == "cuda"
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # External data would be read from the current folder, were this not one that cannot exist.
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", f"{os.devnull}/none"
    )
    devices: list[Device] = ["cpu"] if device == "cpu" else [device, "cpu"]
    session = onnxruntime.InferenceSession(
        graph,
        options,
        providers=[(PROVIDERS[each], OPTIONS[each]) for each in devices],
        enable_fallback=0,
    )
    if PROVIDERS[device] not in session.get_providers():  # it falls back without a word
        raise RuntimeError(f"onnxruntime runs it on {session.get_providers()}, not on {device}")
    return session


class Runner:
    """One graph, run in this process; one run at a time.

    Inputs and outputs are bound: what is asked for crosses from the device to the host once, what
    is not asked for never.

    Args:
        graph: a serialised ONNX model.
        outputs: the names of the outputs that a call computes; None: all.
        threads: see `open_session`.
        device: where it runs.

    Raises:
        RuntimeError: see `open_session`.
    """

    def __init__(
        self,
        graph: bytes,
        outputs: list[str] | None = None,
        threads: int = 0,
        device: Device = "cpu",
    ):
        self.session = open_session(graph, threads, device)
        self.outputs = outputs or [output.name for output in self.session.get_outputs()]
        self._device = device
        self._binding = self.session.io_binding()

    def __call__(self, inputs: Arrays) -> Outputs:
        """The graph's inputs, by name -> the outputs by name."""
        return self.run(inputs, self.outputs)

    def run(self, inputs: Arrays, outputs: Sequence[str], give_back: bool = False) -> Outputs:
        """Inputs by name -> the named outputs, each an array of its own.

        Args:
            inputs: all of the graph's.
            outputs: some of the graph's.
            give_back: give the memory that this run took back to the machine.
        """
        options = None
        if give_back:
            options = onnxruntime.RunOptions()
            options.add_run_config_entry(
                "memory.enable_memory_arena_shrinkage", ARENAS[self._device]
            )
        # The binding points at their memory without holding on to it.
        kept = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
        try:
            for name, array in kept.items():
                self._binding.bind_cpu_input(name, array)
            for name in outputs:
                self._binding.bind_output(name, self._device)
            self.session.run_with_iobinding(self._binding, options)
            return dict(zip(outputs, self._binding.copy_outputs_to_cpu(), strict=True))
        finally:
            self._binding.clear_binding_inputs()
            self._binding.clear_binding_outputs()


def what_cuda_lacks() -> str | None:
    """What is missing for CUDA to be used in this process, and what to do; None: nothing.

    onnxruntime itself would say nothing and run on the CPU.
    """
    if PROVIDERS["cuda"] not in onnxruntime.get_available_providers():
        return (
            "the installed onnxruntime has no CUDA; uninstall it and install onnxruntime-gpu "
            "(the extra gpu)"
        )
    return _what_the_driver_lacks() or _what_the_libraries_lack()


def _what_the_driver_lacks() -> str | None:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return (
            f"there is no NVIDIA driver ({error}); install it, or let the container see the GPU "
            "(docker run --gpus all)"
        )
    devices = ctypes.c_int(0)
    code = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(devices))
    if code or not devices.value:
        return (
            f"the NVIDIA driver finds no GPU (error {code}); see what nvidia-smi says, "
            "CUDA_VISIBLE_DEVICES, and what the container may see"
        )
    return None


def _what_the_libraries_lack() -> str | None:
    """Load them, from their packages in this environment if need be, and use the GPU once."""
    with redirect_stdout(io.StringIO()) as told:
        onnxruntime.preload_dlls()
    onnxruntime.set_default_logger_severity(FATAL)
    try:
        onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(1, np.float32), "cuda", 0)
    except RuntimeError as error:
        missing = re.findall(r"Failed to load (\S+):", told.getvalue())
        failure = re.search(r"CUDA failure [^;]+", str(error))
        found = " ".join((failure[0] if failure else str(error)).split())
        if missing:
            found = f"{', '.join(missing)} cannot be loaded"
        return (
            f"onnxruntime cannot use the GPU: {found}; it needs CUDA {onnxruntime.cuda_version}, "
            "cuDNN 9 (as packages: onnxruntime-gpu[cuda,cudnn]) and a driver that knows them"
        )
    finally:
        onnxruntime.set_default_logger_severity(WARNING)
    return None
