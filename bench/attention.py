"""Workload (d): attention of 16, 64 and 256 positions, all of it and selections, JSON and tensors.

    REGARD_DATA=DIR python bench/attention.py [--rounds 5]

One connection, in turns: the same text without attention and with; service on core 0, client on
core 1. The bytes are set against what the loopback carries from a server that only sends them.
"""

import asyncio
import json
import os
import statistics
import time
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
from subject import PORT, ROOT, serving

POSITIONS = (16, 64, 256)
REQUESTS = 20
PLAIN = "none"
JSON, TENSORS = b"application/json", b"application/vnd.safetensors"
EVERYTHING: dict[str, object] = {"layers": "all", "heads": "all"}
ASKED: dict[str, tuple[bytes, dict[str, object]]] = {
    PLAIN: (JSON, {}),
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


async def loopback_mb_per_s(size: int) -> float:
    """Megabytes/s of answers of that size, by a server and a client in this process."""

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1):
            writer.write(bytes(size))
            await writer.drain()

    server = await asyncio.start_server(send, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    started_s = time.perf_counter()
    for _ in range(REQUESTS):
        writer.write(b"x")
        await reader.readexactly(size)
    seconds = time.perf_counter() - started_s
    writer.close()
    server.close()
    return REQUESTS * size / 1e6 / seconds


def main(
    data: Annotated[Path, typer.Option(envvar="REGARD_DATA", help="Folder with SNIPS.")],
    bundle: Path = ROOT / "bundles/assistant",
    rounds: int = 5,
) -> None:
    """Print the table, write results/attention.json."""
    os.sched_setaffinity(0, {1})
    words = snips_test(data).read_text("utf-8").split()
    rows: dict[tuple[int, str], list[float]] = {}
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
                    taken_ms, body = ask(accept, {"inputs": text, **asked})
                    rows.setdefault((positions, name), []).append(taken_ms)
                    sizes[positions, name] = len(body)
        bandwidth = {key: runner.run(loopback_mb_per_s(size)) for key, size in sizes.items()}
    columns = ("positions", "attention", "bytes", "p50_ms", "of_none", "loopback_ms", "of_loopback")
    table = Table(*columns)
    summary = []
    for key, taken_ms in rows.items():
        none_ms = rows[key[0], PLAIN]
        own = statistics.median(taken_ms)
        ratio = statistics.median(a / b for a, b in zip(taken_ms, none_ms, strict=True))
        loopback_ms = sizes[key] / 1e3 / bandwidth[key]
        row = (*key, sizes[key], own, ratio, loopback_ms, loopback_ms / own)
        table.add_row(*(f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row))
        summary.append(dict(zip(columns, row, strict=True)))
    Console().print(table)
    Console().print(f"written: {machine.write('attention', {'summary': summary})}")


if __name__ == "__main__":
    typer.run(main)
