"""Workload (d): attention of 16, 64 and 256 positions, all of it and selections, JSON and tensors.

    REGARD_DATA=DIR python bench/attention.py [--rounds 5]

One connection, in turns: the same text without attention and with; service on core 0, client on
core 1. The bytes are set against what the loopback carries from a server on core 0 that only sends
them.
"""

import asyncio
import json
import os
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.table import Table

import machine
from client import Connection
from load import snips_test
from loopback import loopback_ms
from subject import PORT, ROOT, serving

POSITIONS = (16, 64, 256)
REQUESTS = 20
JSON, TENSORS = b"application/json", b"application/vnd.safetensors"
EVERYTHING: dict[str, object] = {"layers": "all", "heads": "all"}
ASKED: dict[str, tuple[bytes, dict[str, object]]] = {
    "none": (JSON, {}),
    "last layer, mean, JSON": (JSON, {"attention": {"heads": "mean"}}),
    "last layer, top_k 5, JSON": (JSON, {"attention": {"top_k": 5}}),
    "rollout, words, JSON": (JSON, {"attention": {"kind": "rollout", "level": "word"}}),
    "all, JSON": (JSON, {"attention": EVERYTHING}),
    "all, safetensors": (TENSORS, {"attention": EVERYTHING}),
    "all, safetensors, float16": (TENSORS, {"attention": EVERYTHING | {"dtype": "float16"}}),
    "all, words, safetensors": (TENSORS, {"attention": EVERYTHING | {"level": "word"}}),
}
Ask = Callable[[bytes, dict[str, object]], tuple[float, bytes]]


def text_of(positions: int, words: list[str], ask: Ask) -> str:
    """Words that take so many positions."""
    size = positions
    while True:
        text = " ".join(words[:size])
        found = json.loads(ask(JSON, {"inputs": text})[1])["usage"]["positions"]
        if found <= positions:
            return text
        size -= max(1, (found - positions) // 2)


def main(
    data: Annotated[Path, typer.Option(envvar="REGARD_DATA", help="Folder with SNIPS.")],
    bundle: Path = ROOT / "bundles/assistant",
    rounds: int = 5,
) -> None:
    """Print the table, write results/attention.json."""
    os.sched_setaffinity(0, {1})
    words = snips_test(data).read_text("utf-8").split()
    rows: dict[tuple[int, str], list[tuple[float, float]]] = {}
    sizes: dict[tuple[int, str], int] = {}
    limit = max(POSITIONS) ** 2 * 100  # weights; beyond the default
    with (
        serving(bundle, max_attention_floats=limit),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        connection = Connection(PORT)

        def ask(accept: bytes, asked: dict[str, object]) -> tuple[float, bytes]:
            body = json.dumps(asked).encode()
            answer = runner.run(connection.ask(b"/v1/predict", body, accept))
            assert answer.status == 200, answer.body
            return 1000 * answer.seconds, answer.body

        texts = {positions: text_of(positions, words, ask) for positions in POSITIONS}
        for _ in range(rounds * REQUESTS):
            for positions, text in texts.items():
                for name, (accept, asked) in ASKED.items():
                    ask(JSON, {"inputs": text})  # what a large answer left in the caches is gone
                    plain_ms, _ = ask(JSON, {"inputs": text})
                    taken_ms, body = ask(accept, {"inputs": text, **asked})
                    rows.setdefault((positions, name), []).append((taken_ms, plain_ms))
                    sizes[positions, name] = len(body)
        carried = runner.run(loopback_ms(PORT + 1, list(sizes.values()), REQUESTS))
    columns = (
        *("positions", "attention", "bytes", "p50_ms", "plain_ms", "ratio"),
        *("loopback_ms", "of_loopback"),
    )
    table = Table(*columns)
    summary = []
    for key, pairs in rows.items():
        own, plain = (statistics.median(each) for each in zip(*pairs, strict=True))
        ratio = statistics.median(taken / plain for taken, plain in pairs)
        loopback = carried[sizes[key]]
        row = (*key, sizes[key], own, plain, ratio, loopback, loopback / own)
        table.add_row(*(f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row))
        summary.append(dict(zip(columns, row, strict=True)))
    Console().print(table)
    Console().print(f"written: {machine.write('attention', {'summary': summary})}")


if __name__ == "__main__":
    typer.run(main)
