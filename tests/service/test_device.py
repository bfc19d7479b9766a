"""What models run on: as set, as there is, and as their bundles allow."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import onnxruntime
import pytest

from export.bundle import BundleError, Manifest, read_manifest
from export.runtime import what_cuda_lacks
from service import device
from service.device import DeviceError, find_devices
from service.session import choose_graph
from tests.service.process import ROOT, read_url, request, serving


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Nothing is known of the GPU, before and after."""
    find_devices.cache_clear()
    yield monkeypatch
    find_devices.cache_clear()


@pytest.mark.parametrize(
    ("wanted", "lacks", "found"),
    [
        ("cpu", None, ("cpu",)),
        ("cpu", "no driver", ("cpu",)),
        ("cuda", None, ("cuda",)),
        ("auto", None, ("cuda", "cpu")),
        ("auto", "no driver", ("cpu",)),
    ],
)
def test_devices_are_those_wanted_that_there_are(lacking, wanted, lacks, found) -> None:
    lacking.setattr(device, "what_cuda_lacks", lambda: lacks)
    assert find_devices(wanted) == found


def test_the_cpu_does_not_stand_in_for_a_gpu_that_was_asked_for(lacking) -> None:
    lacking.setattr(device, "what_cuda_lacks", lambda: "there is no driver; install it")
    with pytest.raises(DeviceError, match=r"^REGARD_DEVICE is cuda, but there is no driver; in"):
        find_devices("cuda")


def manifest_of(tiny: SimpleNamespace, *precisions: str) -> Manifest:
    manifest = read_manifest(tiny.folder / "tiny")
    graph = manifest.graphs["fp32"]
    return manifest.model_copy(update={"graphs": dict.fromkeys(precisions, graph)})


CPU, CUDA, BOTH = ("cpu",), ("cuda",), ("cuda", "cpu")


@pytest.mark.parametrize(
    ("has", "wanted", "devices", "chosen"),
    [
        (("fp32", "fp16", "int8"), "auto", CPU, ("cpu", "int8")),
        (("fp32", "fp16"), "auto", CPU, ("cpu", "fp32")),
        (("fp16",), "auto", CPU, ("cpu", "fp16")),
        (("fp32", "int8"), "fp32", CPU, ("cpu", "fp32")),
        (("fp32", "fp16", "int8"), "auto", CUDA, ("cuda", "fp16")),
        (("fp32", "int8"), "auto", CUDA, ("cuda", "fp32")),
        (("fp32", "fp16"), "fp32", CUDA, ("cuda", "fp32")),
        (("fp16", "int8"), "auto", BOTH, ("cuda", "fp16")),
        (("int8",), "auto", BOTH, ("cpu", "int8")),
        (("fp16", "int8"), "int8", BOTH, ("cpu", "int8")),
    ],
)
def test_a_bundle_runs_in_its_best_precision_on_the_best_device(
    tiny, has, wanted, devices, chosen
) -> None:
    assert choose_graph(manifest_of(tiny, *has), wanted, devices) == chosen


@pytest.mark.parametrize(
    ("has", "wanted", "devices", "told"),
    [
        (("int8",), "auto", CUDA, "tiny has no fp16 or fp32 graph for cuda; it has int8"),
        (("fp32", "int8"), "fp16", CPU, "tiny has no fp16 graph for cpu; it has fp32, int8"),
        (("fp32", "int8"), "fp16", BOTH, "tiny has no fp16 graph for cpu; it has fp32, int8"),
        (("fp16", "int8"), "int8", CUDA, "tiny: cuda runs fp16 and fp32, not int8; it has fp16, i"),
    ],
)
def test_a_bundle_without_such_a_graph_is_refused(tiny, has, wanted, devices, told) -> None:
    with pytest.raises(BundleError, match=f"^{told}"):
        choose_graph(manifest_of(tiny, *has), wanted, devices)


def test_what_is_installed_here_has_no_cuda() -> None:
    assert "has no CUDA; uninstall it and install onnxruntime-gpu" in what_cuda_lacks()


class Driver:
    """Answers as NVIDIA's does."""

    def __init__(self, code: int, devices: int):
        self.code, self.devices = code, devices

    def cuInit(self, flags: int) -> int:
        return self.code

    def cuDeviceGetCount(self, count) -> int:
        count._obj.value = self.devices
        return 0


TOLD = "Failed to load libcublas.so.13: libcublas.so.13: cannot open shared object file\nPlease see"
TOO_OLD = "cuda_call.cc:154\nCUDA failure 35: CUDA driver version is insufficient ; GPU=-1 ; host=x"


@pytest.mark.parametrize(
    ("driver", "told", "raised", "lacks"),
    [
        (None, "", "", "there is no NVIDIA driver (libcuda.so.1: "),
        (Driver(100, 0), "", "", "the NVIDIA driver finds no GPU (error 100); see what nvidia-smi"),
        (
            Driver(0, 0),
            "",
            "",
            "the NVIDIA driver finds no GPU (error 0); see what nvidia-smi says",
        ),
        (
            Driver(0, 1),
            TOLD,
            "CUDA Provider not available",
            "onnxruntime cannot use the GPU: libcublas.so.13 cannot be loaded; it needs CUDA 13.0",
        ),
        (
            Driver(0, 1),
            "",
            TOO_OLD,
            "onnxruntime cannot use the GPU: CUDA failure 35: CUDA driver version is insufficient;",
        ),
        (
            Driver(0, 1),
            "",
            "who\nknows",
            "onnxruntime cannot use the GPU: who knows; it needs CUDA",
        ),
    ],
)
def test_what_is_missing_for_cuda_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys, driver, told: str, raised: str, lacks: str
) -> None:
    def allocate(*_: object) -> None:
        raise RuntimeError(raised)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print(told))
    monkeypatch.setattr(onnxruntime, "cuda_version", "13.0")
    monkeypatch.setattr(onnxruntime.OrtValue, "ortvalue_from_numpy", allocate)
    if driver is not None:
        monkeypatch.setattr(ctypes, "CDLL", lambda name: driver)
    found = what_cuda_lacks()
    assert found.startswith(lacks)
    assert found.isprintable()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("command", [("serve",), ("serve", "--workers", "2"), ("predict", "tiny")])
def test_a_gpu_that_is_not_there_ends_the_start_with_one_line(tiny, command) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "regard", *command],
        cwd=ROOT,
        env=os.environ
        | {
            "REGARD_BUNDLES": str(tiny.folder),
            "REGARD_PORT": "0",
            "REGARD_DEVICE": "cuda",
            "REGARD_LOG_LEVEL": "error",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [f"regard: REGARD_DEVICE is cuda, but {what_cuda_lacks()}"]


def test_auto_serves_on_the_cpu_and_logs_why(tiny: SimpleNamespace) -> None:
    with serving(tiny.folder, device="auto", log_level="info", wait=False) as (process, _):
        url = read_url(process)
        models = request("GET", f"{url}/v1/models").json()["models"]
        assert {model["device"] for model in models} == {"cpu"}
        process.terminate()
        log = process.stderr.read()
    assert f"models run on the CPU: {what_cuda_lacks()}" in log
    assert "loaded tiny, version 7, int8 on cpu" in log
