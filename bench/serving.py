"""The service beside its ceiling: workloads (a), one utterance a request, and (c), 64 a request.

    python bench/serving.py --data DIR [--bundle bundles/assistant] [--precision int8] [--pairs 5]

Raw and service take turns on core 0, the load generator (wrk) has core 1; ratios are the medians of
paired runs. Needs wrk and two cores. DIR holds SNIPS (test/seq.in).
"""

import json
import statistics
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

import machine
from load import snips_test, wrk
from subject import ROOT, URL, RawProcess, memory_mb, serving

SECONDS = 4
TEXTS_A_REQUEST = 64


def write_bodies(texts: list[str], each: int, path: Path) -> Path:
    """One request body a line, `each` texts a request."""
    groups = [texts[i : i + each] for i in range(0, len(texts) - each + 1, each)]
    path.write_text("\n".join(json.dumps({"inputs": group}) for group in groups), "utf-8")
    return path


def measure(
    bundle: Path, precision: str, texts: Path, pairs: int, folder: Path
) -> dict[str, object]:
    """All of it: pairs of raw and service runs."""
    lines = [" ".join(line.split()) for line in texts.read_text("utf-8").splitlines()]
    one = write_bodies(lines, 1, folder / "one")
    many = write_bodies(lines, TEXTS_A_REQUEST, folder / "many")
    raw = RawProcess(bundle, texts, precision)
    workloads = {
        "a, 1 connection": (("one_by_one",), 1, one, 1),
        "a, 8 connections": (("waiting", 8), 8, one, 1),
        "a, 64 connections": (("waiting", 64), 64, one, 1),
        "c, 1 connection": (("waiting", TEXTS_A_REQUEST), 1, many, TEXTS_A_REQUEST),
        "c, 8 connections": (("batched",), 8, many, TEXTS_A_REQUEST),
    }
    rows: dict[str, dict[str, list[dict[str, float]]]] = {
        name: {"raw": [], "service": []} for name in workloads
    }
    with serving(bundle, precision=precision) as (process, cold_start):
        before = memory_mb(process)
        for _ in range(pairs):
            for name, (call, connections, bodies, _each) in workloads.items():
                rows[name]["raw"].append(raw(*call))
                rows[name]["service"].append(wrk(URL, connections, bodies, SECONDS))
        after = memory_mb(process)
    summary = {name: summarise(rows[name], workloads[name][3]) for name in workloads}
    return {
        "bundle": bundle.name,
        "cold_start_s": cold_start,
        "memory_mb": {"before": before, "after": after},
        "summary": summary,
        "runs": rows,
    }


def summarise(rows: dict[str, list[dict[str, float]]], each: int) -> dict[str, float]:
    """Medians over the pairs; rates are utterances/s, latencies those of a request."""
    raw, service = rows["raw"], rows["service"]
    summary = {
        "raw_per_s": statistics.median(row["per_s"] for row in raw),
        "per_s": statistics.median(row["per_s"] * each for row in service),
        "ratio": statistics.median(
            b["per_s"] * each / a["per_s"] for a, b in zip(raw, service, strict=True)
        ),
        "failed": sum(row["failed"] for row in service),
    }
    for name in ("p50_ms", "p95_ms", "p99_ms"):
        summary[name] = statistics.median(row[name] for row in service)
    if "p50_ms" in raw[0]:
        extra = [b["p50_ms"] - a["p50_ms"] for a, b in zip(raw, service, strict=True)]
        summary["p50_over_raw_ms"] = statistics.median(extra)
    return summary


def main(
    data: Annotated[Path, typer.Option(envvar="REGARD_DATA", help="Folder with SNIPS.")],
    bundle: Path = ROOT / "bundles/assistant",
    precision: str = "int8",
    pairs: int = 5,
) -> None:
    """Print the table, write results/serving.<precision>.json."""
    texts = snips_test(data)
    with tempfile.TemporaryDirectory() as folder:
        results = measure(bundle, precision, texts, pairs, Path(folder))
    columns = ("raw_per_s", "per_s", "ratio", "p50_ms", "p99_ms", "p50_over_raw_ms", "failed")
    table = Table("workload", *columns, title=f"{bundle.name}, {precision}, one core")
    for name, row in results["summary"].items():
        table.add_row(name, *(f"{row[c]:.2f}" if c in row else "" for c in columns))
    console = Console()
    console.print(table)
    console.print(
        f"exec to first answer {results['cold_start_s']:.2f} s, memory "
        f"{results['memory_mb']['before']:.0f} -> {results['memory_mb']['after']:.0f} MB"
    )
    console.print(f"written: {machine.write(f'serving.{precision}', results)}")


if __name__ == "__main__":
    typer.run(main)
