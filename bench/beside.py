"""What else costs plain requests: attention asked for beside them; and what a second core brings.

    REGARD_DATA=DIR python bench/beside.py [--pairs 5]

64 connections, one utterance a request (wrk on core 1), in turns: the service on core 0 alone; the
same while somebody asks for attention weights five times a second; two workers on both cores, one
of which they share with wrk.
"""

import json
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console

import machine
from load import snips_test, wrk
from subject import ROOT, URL, serving

SECONDS = 4
CONNECTIONS = 64
EVERY_S = 0.2
ATTENTION = {
    "inputs": "book a table for two in rome tomorrow at noon",
    "attention": {"layers": "all", "heads": "all"},
}


@contextmanager
def asking_for_attention() -> Iterator[None]:
    """Somebody does, in a thread."""
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client() as client:
            while not stop.wait(EVERY_S):
                client.post(URL, json=ATTENTION).raise_for_status()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def main(
    data: Annotated[Path, typer.Option(envvar="REGARD_DATA", help="Folder with SNIPS.")],
    bundle: Path = ROOT / "bundles/assistant",
    pairs: int = 5,
) -> None:
    """Print the medians, write results/beside.json."""
    rows: list[dict[str, float]] = []
    with tempfile.NamedTemporaryFile("w") as file:
        lines = snips_test(data).read_text("utf-8").splitlines()
        file.write("\n".join(json.dumps({"inputs": [line.strip()]}) for line in lines))
        file.flush()
        for _ in range(pairs):
            row = {}
            for name, beside in (("plain", nullcontext), ("attention", asking_for_attention)):
                with serving(bundle), beside():
                    wrk(URL, CONNECTIONS, Path(file.name), 1)
                    row[name] = wrk(URL, CONNECTIONS, Path(file.name), SECONDS)["per_s"]
            with serving(bundle, "0,1", workers=2):
                wrk(URL, CONNECTIONS, Path(file.name), 1)
                row["two cores"] = wrk(URL, CONNECTIONS, Path(file.name), SECONDS)["per_s"]
            rows.append(row)
    summary = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    for name in ("attention", "two cores"):
        summary[f"{name} / plain"] = statistics.median(row[name] / row["plain"] for row in rows)
    Console().print(summary)
    Console().print(f"written: {machine.write('beside', {'summary': summary, 'runs': rows})}")


if __name__ == "__main__":
    typer.run(main)
