"""Workload (g): a million lines through one connection, order and answers checked, memory sampled.

    REGARD_DATA=DIR python bench/lines.py [--lines 1000000]

The right answers are asked for one at a time, before. Then, in turns, a part of the lines goes as
NDJSON, and as requests of 64 texts one after the other. Last, all lines go as one stream. Service
on core 0, client on core 1.
"""

import asyncio
import itertools
import json
import os
import statistics
import subprocess
import time
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.table import Table

import machine
from client import Connection
from load import snips_test
from subject import PORT, ROOT, memory_mb, serving

PATH = b"/v1/predict"
HEAD = (
    b"POST /v1/predict HTTP/1.1\r\nhost: bench\r\ncontent-type: application/x-ndjson\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
PER_REQUEST = 64
PER_CHUNK = 50
PAIR_LINES = 6_400
SAMPLE_S = 1.0
WARM_LINES = 20_000  # memory counts after these
LIMIT = 1 << 20


async def learn(texts: list[str]) -> dict[str, object]:
    """Each text's answer, asked for alone."""
    connection, right = Connection(PORT), {}
    for text in texts:
        answer = await connection.ask(PATH, json.dumps({"inputs": text}).encode())
        right[text] = json.loads(answer.body)
    connection.close()
    return right


async def requests(texts: list[str], lines: int) -> float:
    """Texts a second, PER_REQUEST in each request."""
    connection, source = Connection(PORT), itertools.cycle(texts)
    started_s = time.perf_counter()
    for _ in range(lines // PER_REQUEST):
        asked = {"inputs": list(itertools.islice(source, PER_REQUEST))}
        json.loads((await connection.ask(PATH, json.dumps(asked).encode())).body)
    connection.close()
    return lines // PER_REQUEST * PER_REQUEST / (time.perf_counter() - started_s)


class Stream:
    """Lines through one connection, their answers compared.

    Attributes:
        answered, wrong: lines so far.
    """

    def __init__(self, right: dict[str, object]):
        self._right = right
        self.answered = self.wrong = 0

    async def run(self, lines: int) -> float:
        """Lines a second."""
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT, limit=LIMIT)
        writer.write(HEAD)
        started_s = time.perf_counter()
        sending = asyncio.create_task(self._send(writer, lines))
        await reader.readuntil(b"\r\n\r\n")
        expected, left = itertools.cycle(self._right.values()), b""
        while size := int(await reader.readline(), 16):
            *whole, left = (left + (await reader.readexactly(size + 2))[:-2]).split(b"\n")
            for line in whole:
                self.answered += 1
                self.wrong += json.loads(line) != next(expected)
        seconds = time.perf_counter() - started_s
        await sending
        writer.close()
        return lines / seconds

    async def _send(self, writer: asyncio.StreamWriter, lines: int) -> None:
        source = itertools.islice(itertools.cycle(self._right), lines)
        encoded = (json.dumps(text).encode() + b"\n" for text in source)
        while body := b"".join(itertools.islice(encoded, PER_CHUNK)):
            writer.write(b"%x\r\n%b\r\n" % (len(body), body))
            await writer.drain()
        writer.write(b"0\r\n\r\n")


async def sample(process: subprocess.Popen, stream: Stream) -> list[tuple[int, float]]:
    """(lines answered, MB) every SAMPLE_S, until it is cancelled."""
    samples: list[tuple[int, float]] = []
    try:
        while True:
            samples.append((stream.answered, memory_mb(process)))
            await asyncio.sleep(SAMPLE_S)
    except asyncio.CancelledError:
        return samples


async def measure(
    process: subprocess.Popen, texts: list[str], lines: int, pairs: int
) -> dict[str, object]:
    """All of it."""
    right = await learn(texts)
    both: dict[str, list[float]] = {"lines_per_s": [], "batched_per_s": []}
    for _ in range(pairs):
        both["lines_per_s"].append(await Stream(right).run(PAIR_LINES))
        both["batched_per_s"].append(await requests(texts, PAIR_LINES))
    stream = Stream(right)
    sampling = asyncio.create_task(sample(process, stream))
    await asyncio.sleep(0)
    per_s = await stream.run(lines)
    sampling.cancel()
    samples = await sampling
    warm = [mb for answered, mb in samples if answered >= min(WARM_LINES, lines // 2)]
    ratios = [a / b for a, b in zip(*both.values(), strict=True)]
    return {
        "lines": lines,
        "answered": stream.answered,
        "wrong": stream.wrong,
        "per_s": per_s,
        "memory_mb": {
            "before": samples[0][1],
            "warm": warm[0],
            "most": max(warm),
            "last": warm[-1],
        },
        "samples": samples[:: max(1, len(samples) // 100)],
        "pairs": {**both, "ratio": statistics.median(ratios)},
    }


def main(
    data: Annotated[Path, typer.Option(envvar="REGARD_DATA", help="Folder with SNIPS.")],
    bundle: Path = ROOT / "bundles/assistant",
    lines: int = 1_000_000,
    pairs: int = 3,
) -> None:
    """Print the table, write results/lines.json."""
    os.sched_setaffinity(0, {1})
    texts = [line.strip() for line in snips_test(data).read_text("utf-8").splitlines()]
    with (
        serving(bundle) as (process, _),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        results = runner.run(measure(process, list(dict.fromkeys(texts)), lines, pairs))
    table = Table("lines", "answered", "wrong", "per_s", *results["memory_mb"], "over batched")
    memory = [f"{mb:.0f} MB" for mb in results["memory_mb"].values()]
    told = (str(results[name]) for name in ("lines", "answered", "wrong"))
    ratio = f"{results['pairs']['ratio']:.2f}"
    table.add_row(*told, f"{results['per_s']:.0f}", *memory, ratio)
    Console().print(table)
    Console().print(f"written: {machine.write('lines', results)}")


if __name__ == "__main__":
    typer.run(main)
