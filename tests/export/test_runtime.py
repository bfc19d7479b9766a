"""ONNX Runtime with inputs and outputs bound, against its plain call."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from export.bundle import read_file, read_manifest
from export.runtime import Runner, open_session


@pytest.fixture(scope="module", params=["fp32", "fp16", "int8"])
def graph(bundle: Path, request: pytest.FixtureRequest) -> bytes:
    manifest = read_manifest(bundle)
    return read_file(manifest, bundle, manifest.graphs[request.param].file)


def inputs(batch: int, length: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(batch * length)
    valid = np.arange(length) < rng.integers(1, length + 1, (batch, 1))
    return {"token_ids": rng.integers(0, 67, (batch, length)), "valid": valid}


def same(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> bool:
    return [*ours] == [*theirs] and all(
        ours[name].dtype == theirs[name].dtype
        and ours[name].shape == theirs[name].shape
        and (ours[name] == theirs[name]).all()
        for name in ours
    )


OUTPUTS = [["slots", "intent"], ["intent"], ["attention.1", "slots"], ["attention.0"]]


def test_bound_runs_give_what_plain_runs_give_bit_for_bit(graph: bytes) -> None:
    runner, plain = Runner(graph, threads=1), open_session(graph, 1)
    for shape in ((1, 1), (2, 3), (5, 29), (1, 41), (2, 3)):
        given = inputs(*shape)
        for names in OUTPUTS:
            expected = dict(zip(names, plain.run(names, given), strict=True))
            assert same(runner.run(given, names), expected)


def test_a_later_run_does_not_change_what_an_earlier_one_gave(graph: bytes) -> None:
    runner = Runner(graph, threads=1)
    first = runner.run(inputs(2, 9), ["slots", "attention.0"])
    before = {name: array.copy() for name, array in first.items()}
    for seed in range(1, 4):
        runner.run({**inputs(2, 9), "token_ids": np.full((2, 9), seed)}, ["slots", "attention.0"])
    assert same(first, before)


def test_inputs_need_not_lie_in_one_piece(graph: bytes) -> None:
    runner, given = Runner(graph, threads=1), inputs(5, 8)
    sliced = {name: array[::2, 1:] for name, array in given.items()}
    copied = {name: array.copy() for name, array in sliced.items()}
    assert same(runner.run(sliced, ["slots"]), runner.run(copied, ["slots"]))


def test_a_run_that_fails_leaves_nothing_behind(graph: bytes) -> None:
    runner, given = Runner(graph, threads=1), inputs(2, 5)
    expected = runner.run(given, ["intent"])
    with pytest.raises(Exception, match=r"out of (data )?bounds"):
        runner.run({**given, "token_ids": np.full((2, 5), 1_000_000)}, ["slots", "attention.0"])
    assert same(runner.run(given, ["intent"]), expected)


def test_memory_can_be_given_back_after_a_run(graph: bytes) -> None:
    runner, given = Runner(graph, threads=1), inputs(2, 5)
    assert same(runner.run(given, ["intent"], give_back=True), runner.run(given, ["intent"]))


def test_a_session_that_onnxruntime_moves_to_the_cpu_is_refused(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    graph = read_file(manifest, bundle, manifest.graphs["fp16"].file)
    with (
        pytest.warns(UserWarning, match="CUDAExecutionProvider"),
        pytest.raises(RuntimeError, match=r"runs it on \['CPUExecutionProvider'\], not on cuda"),
    ):
        Runner(graph, device="cuda")


def test_an_array_that_lies_otherwise_in_memory_is_run_as_it_reads(graph: bytes) -> None:
    """What is copied for the run stays until it is over."""
    runner, given = Runner(graph), inputs(64, 29)
    names = ["slots", "intent"]
    expected = runner.run(given, names)
    turned = {name: np.asfortranarray(array) for name, array in given.items()}
    assert not turned["token_ids"].flags.c_contiguous
    for _ in range(20):
        found = runner.run(turned, names)
        assert all((found[name] == expected[name]).all() for name in names)


@pytest.mark.parametrize("module", ["service.session", "service.server", "export.quantize"])
def test_onnxruntime_keeps_no_record_of_who_uses_it(module: str, tmp_path: Path) -> None:
    """Its telemetry would leave a device's id in the home folder, whatever comes of sending it."""
    environment = {k: v for k, v in os.environ.items() if "TELEMETRY" not in k}
    code = f"import {module}, onnxruntime; onnxruntime.get_available_providers()"
    subprocess.run(
        [sys.executable, "-c", code], env=environment | {"HOME": str(tmp_path)}, check=True
    )
    assert list(tmp_path.rglob("*")) == []
