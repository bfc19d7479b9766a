"""What a reload costs those who are being served: p99 of windows with and without one.

    python bench/reload.py --data DIR [--bundle bundles/assistant] [--pairs 5]

The service has core 0, the load generator (wrk) core 1; the reload is asked for by an administrator
at the start of each second of its window. Needs wrk and two cores. DIR holds SNIPS (test/seq.in).
"""

import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.table import Table

import machine
from load import snips_test, wrk
from serving import SECONDS, write_bodies
from subject import PORT, ROOT, URL, serving

KEY = "bench"
CONNECTIONS = (1, 8)
COLUMNS = ("p50_ms", "p99_ms", "failed", "per_s")


def reload_every_second(name: str, seconds: list[float], stop: threading.Event) -> None:
    """Reload until told to stop; what each took is appended to `seconds`."""
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", headers=headers, timeout=60) as http:
        while not stop.is_set():
            started = time.monotonic()
            http.put(f"/v1/models/{name}").raise_for_status()
            seconds.append(time.monotonic() - started)
            stop.wait(max(0.0, 1 - seconds[-1]))


def measure(bundle: Path, texts: Path, pairs: int, folder: Path) -> dict[str, object]:
    """Pairs of windows without and with reloads, for each number of connections."""
    lines = [" ".join(line.split()) for line in texts.read_text("utf-8").splitlines()]
    bodies = write_bodies(lines, 1, folder / "one")
    rows: dict[int, dict[str, list[dict[str, float]]]] = {
        connections: {"still": [], "reloading": []} for connections in CONNECTIONS
    }
    reloads: list[float] = []
    with serving(bundle, admin_key=KEY):
        for _ in range(pairs):
            for connections in CONNECTIONS:
                rows[connections]["still"].append(wrk(URL, connections, bodies, SECONDS))
                stop = threading.Event()
                arguments = (bundle.name, reloads, stop)
                thread = threading.Thread(target=reload_every_second, args=arguments)
                thread.start()
                rows[connections]["reloading"].append(wrk(URL, connections, bodies, SECONDS))
                stop.set()
                thread.join()
    return {
        "bundle": bundle.name,
        "window_s": SECONDS,
        "reload_s": {"median": statistics.median(reloads), "max": max(reloads)},
        "summary": {connections: summarise(rows[connections]) for connections in CONNECTIONS},
        "runs": rows,
    }


def summarise(rows: dict[str, list[dict[str, float]]]) -> dict[str, float]:
    """Medians over the windows; the ratio is that of paired ones."""
    summary = {
        f"{column} {kind}": statistics.median(row[column] for row in found)
        for kind, found in rows.items()
        for column in COLUMNS
    }
    pairs = zip(rows["still"], rows["reloading"], strict=True)
    summary["p99_ratio"] = statistics.median(b["p99_ms"] / a["p99_ms"] for a, b in pairs)
    return summary


def main(
    data: Annotated[Path, typer.Option(envvar="REGARD_DATA", help="Folder with SNIPS.")],
    bundle: Path = ROOT / "bundles/assistant",
    pairs: int = 5,
) -> None:
    """Print the table, write results/reload.json."""
    texts = snips_test(data)
    with tempfile.TemporaryDirectory() as folder:
        results = measure(bundle, texts, pairs, Path(folder))
    table = Table("connections", "", *COLUMNS, "p99 ratio", title=f"{bundle.name}, one core")
    for connections, row in results["summary"].items():
        for kind in ("still", "reloading"):
            values = [f"{row[f'{column} {kind}']:.2f}" for column in COLUMNS]
            ratio = f"{row['p99_ratio']:.2f}" if kind == "reloading" else ""
            table.add_row(str(connections), kind, *values, ratio)
    console = Console()
    console.print(table)
    console.print(
        f"a reload under load took {results['reload_s']['median']:.2f} s, "
        f"at most {results['reload_s']['max']:.2f} s"
    )
    console.print(f"written: {machine.write('reload', results)}")


if __name__ == "__main__":
    typer.run(main)
