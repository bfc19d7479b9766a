"""A GPU beside the CPU: whether it answers alike, alone and in batches, and how fast it is.

    REGARD_DATA=DIR python bench/gpu.py [BUNDLE ...] [--device cuda] [--quick]

Without a bundle: the shipped ones. To measure fp32 too, name one that has it (`regard export ...
--precision fp32,fp16`). DIR holds SNIPS. Written to results/gpu.json, if it was a GPU; with
`--device cpu --quick` any machine shows that the program works.
"""

import asyncio
import functools
import itertools
import json
import os
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import onnxruntime
import typer
import uvloop
from rich.console import Console

import machine
from client import Connection
from export.bundle import Manifest, Precision, attention_names, read_file, read_manifest
from export.runtime import OPTIONS, PROVIDERS, Device, Runner, what_cuda_lacks
from model.data.files import read_splits
from model.evaluate import Arrays, evaluate, predict
from model.preprocess.batch import pad
from model.preprocess.text import TextPreprocessor
from service.session import PRECISIONS
from subject import PORT, ROOT, memory_mb, serving

SHIPPED = [ROOT / "bundles/assistant", ROOT / "bundles/assistant-small"]
LENGTHS, BATCHES, MOST = (16, 64, 256, 512), (1, 8, 64, 256, 1024), 65_536
TURNS, TURNS_QUICK = 20, 3
LIMITS, SECONDS = (512, 4_096, 16_384), 5.0
LOADS = ((1, 1), (1, 64), (1, 256), (64, 1), (64, 16))  # texts a request, connections
QUEUE = {"max_queue_positions": 65_536, "max_queue_s": 60}  # nothing is refused
WITH_WEIGHTS = 64  # inputs whose attention is compared

console = Console()


class Subject:
    """One graph of a bundle on the device, and the same graph on the CPU."""

    def __init__(self, folder: Path, precision: Precision, device: Device, data: Path, quick: bool):
        self.manifest: Manifest = read_manifest(folder)
        self.graph = read_file(self.manifest, folder, self.manifest.graphs[precision].file)
        tokenizer = read_file(self.manifest, folder, "tokenizer.json").decode()
        self.preprocessor = TextPreprocessor(tokenizer, self.manifest.max_length)
        self.heads = [head.name for head in self.manifest.heads]
        self.weights = attention_names(self.manifest.attention.layers)
        self.device, self.quick = device, quick
        self.here = Runner(self.graph, self.heads, device=device)
        self.cpu = Runner(self.graph, self.heads)
        snips = data if (data / "dev").is_dir() else data / "snips"
        self.dev = read_splits(self.manifest.data, snips).dev[: 64 if quick else None]
        self.items = [self.preprocessor.encode(e.source) for e in self.dev]

    def answers(self) -> dict[str, object]:
        """The device against the CPU, on dev: metrics, labels, logits, weights."""
        asked = self.preprocessor, self.manifest.heads, self.dev
        pairs = list(zip(predict(self.here, *asked), predict(self.cpu, *asked), strict=True))
        names = [*self.heads, *self.weights]
        worst: dict[str, float] = {}
        sums = 0.0
        for start in range(0, min(WITH_WEIGHTS, len(self.items)), 16):
            given = pad(self.items[start : start + 16])
            ours, theirs = self.here.run(given, names), self.cpu.run(given, names)
            note(worst, differences(ours, theirs))
            sums = max(sums, *(float(np.abs(ours[w].sum(-1) - 1).max()) for w in self.weights))
        return {
            "dev": evaluate(self.here, *asked),
            "dev_on_cpu": evaluate(self.cpu, *asked),
            "inputs": len(pairs),
            "inputs_answered_otherwise": sum(ours != theirs for ours, theirs in pairs),
            "largest_difference": worst,
            "weights_sum_to_one_within": sums,
        }

    def batches(self) -> dict[str, object]:
        """Each input alone, against itself in batches, with padding, and run again."""
        order = np.random.default_rng(0).permutation(len(self.items))
        alone = [self.here(pad([item])) for item in self.items]
        worst: dict[str, float] = {}
        changed = 0
        for start in range(0, len(order), 16):
            chosen = order[start : start + 16]
            longer = self.preprocessor.encode_words(
                ["a"] * (38 + start % 7)
            )  # what the others are padded to
            together = self.here(pad([*(self.items[i] for i in chosen), longer]))
            for row, i in enumerate(chosen):
                mine = {
                    head.name: together[head.name][row, : self.items[i].length]
                    if head.kind == "token"
                    else together[head.name][row]
                    for head in self.manifest.heads
                }
                own = {name: array[0] for name, array in alone[i].items()}
                note(worst, differences(mine, own))
                changed += any((mine[n].argmax(-1) != own[n].argmax(-1)).any() for n in own)
        again = (self.here(pad([item])) for item in self.items)
        return {
            "inputs": len(self.items),
            "largest_difference": worst,
            "inputs_whose_labels_changed": changed,
            "inputs_that_differ_when_run_again": sum(
                any((ours[n] != theirs[n]).any() for n in ours)
                for ours, theirs in zip(again, alone, strict=True)
            ),
        }

    def speed(self) -> list[dict[str, float]]:
        """Runs of each shape: bound, as served; with onnxruntime's plain call; with attention."""
        rows = []
        turns = TURNS_QUICK if self.quick else TURNS
        for length, batch in itertools.product(LENGTHS, BATCHES):
            if length > self.manifest.max_length or length * batch > (
                1_024 if self.quick else MOST
            ):
                continue
            shape = batch, length
            given = {"token_ids": np.ones(shape, np.int64), "valid": np.ones(shape, np.bool_)}
            bound = median_ms(functools.partial(self.here.run, given, self.heads), turns)
            run = functools.partial(self.here.session.run, self.heads, given)
            plain = median_ms(run, turns)
            row = {"length": length, "batch": batch, "ms": bound, "plain_ms": plain}
            if batch * length * length <= 2**20:
                names = [*self.heads, *self.weights]
                everything = functools.partial(self.here.run, given, names)
                row["with_attention_ms"] = median_ms(everything, turns)
            rows.append(row | {"positions_per_s": batch * length / bound * 1000})
        return rows

    def places(self) -> dict[str, dict[str, int]]:
        """How many nodes run where, by their kinds."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        session = onnxruntime.InferenceSession(
            self.graph, options, providers=[(PROVIDERS[self.device], OPTIONS[self.device])]
        )
        places: dict[str, Counter[str]] = {}
        for part in session.get_provider_graph_assignment_info():
            kinds = places.setdefault(part.ep_name, Counter())
            kinds.update(node.op_type for node in part.get_nodes())
        return {place: dict(kinds) for place, kinds in places.items()}


def differences(ours: Arrays, theirs: Arrays) -> dict[str, float]:
    """The largest difference of any number, by name; attention in one."""
    found: dict[str, float] = {}
    for name, array in ours.items():
        largest = float(np.abs(array - theirs[name]).max())
        note(found, {name.partition(".")[0]: largest})
    return found


def note(worst: dict[str, float], found: dict[str, float]) -> None:
    """Keep the larger ones; what is no number stays."""
    for name, value in found.items():
        worst[name] = float(np.maximum(worst.get(name, 0.0), value))


def median_ms(run: Callable[[], object], turns: int) -> float:
    """Milliseconds of a run, after two that are not counted."""
    taken = []
    for _ in range(turns + 2):
        started_s = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started_s)
    return statistics.median(taken[2:]) * 1000


async def load(texts: Sequence[str], each: int, connections: int, seconds: float) -> dict:
    """Texts a second and latencies through the service, so many texts a request."""
    taken: list[float] = []
    source = itertools.cycle(texts)
    end_s = time.perf_counter() + seconds

    async def work() -> None:
        connection = Connection(PORT)
        while time.perf_counter() < end_s:
            body = json.dumps({"inputs": list(itertools.islice(source, each))}).encode()
            answer = await connection.ask(b"/v1/predict", body)
            assert answer.status == 200, answer.body
            taken.append(answer.seconds)
        connection.close()

    started_s = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(connections)))
    passed_s = time.perf_counter() - started_s
    p50, p99 = np.percentile(taken, [50, 99]) * 1000
    per_s = each * len(taken) / passed_s
    return {"texts_per_s": per_s, "p50_ms": float(p50), "p99_ms": float(p99)}


def service(folder: Path, precision: Precision, device: Device, texts: list[str], quick: bool):
    """Through the service, by the largest batch, texts a request and connections."""
    rows = []
    for limit in LIMITS[: 1 if quick else None]:
        settings = {"precision": precision, "device": device, "max_batch_positions": limit} | QUEUE
        with serving(folder, f"0-{(os.cpu_count() or 1) - 1}", **settings) as (process, start_s):
            for each, connections in LOADS:
                measured = asyncio.run(load(texts, each, connections, 1.0 if quick else SECONDS))
                row = {"max_batch_positions": limit, "texts": each, "connections": connections}
                rows.append(row | measured)
            rows[-1] |= {"start_s": start_s, "memory_mb": memory_mb(process), "gpu": gpu()}
    return rows


def gpu() -> str | None:
    """What nvidia-smi says of the GPU, its memory in use too; None: there is none."""
    fields = "name,driver_version,memory.total,memory.used"
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
    except FileNotFoundError:
        return None


def main(
    data: Annotated[Path, typer.Option(envvar="REGARD_DATA", help="Folder with SNIPS.")],
    bundles: Annotated[list[Path] | None, typer.Argument()] = None,
    device: str = "cuda",
    quick: bool = False,
) -> None:
    """Print each measurement; write results/gpu.json, if it was a GPU."""
    on: Device = "cpu" if device == "cpu" else "cuda"
    if on == "cuda" and (lacks := what_cuda_lacks()):
        raise typer.BadParameter(lacks)
    results: dict[str, object] = {"gpu": gpu()}
    for folder in bundles or SHIPPED:
        for precision in PRECISIONS["cuda"]:
            if precision not in read_manifest(folder).graphs:
                continue
            subject = Subject(folder, precision, on, data, quick)
            texts = [" ".join(example.words) for example in subject.dev]
            found = results[f"{subject.manifest.name} {precision}"] = {
                "places": subject.places(),
                "answers": subject.answers(),
                "batches": subject.batches(),
                "speed": subject.speed(),
                "service": service(folder, precision, on, texts, quick),
            }
            console.print(subject.manifest.name, precision, found)
            if on == "cuda":
                console.print(f"written: {machine.write('gpu', results)}")


if __name__ == "__main__":
    uvloop.install()
    typer.run(main)
