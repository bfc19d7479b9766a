"""Workload (b): texts of 5 to 400 tokens, log-uniform, one a request, 64 connections.

    REGARD_DATA=DIR python bench/lengths.py [--rounds 5]

In turns on core 0: raw batches of the same texts, sorted by length, then the service, with the
clients on core 1. And what short texts wait: their p95 among long ones, against their p95 alone and
the longest single run.
"""

import asyncio
import json
import math
import os
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console

import machine
from client import Connection
from load import snips_test
from subject import PORT, ROOT, RawProcess, serving

SECONDS = 6.0
CONNECTIONS = 64
TEXTS = 400
SHORTEST, LONGEST = 5, 400
SHORT = 16  # tokens


def mix(lines: list[str]) -> list[str]:
    """Texts of SNIPS' words, their numbers log-uniform."""
    rng = random.Random(0)
    words = " ".join(lines).split()
    texts = []
    for _ in range(TEXTS):
        size = round(math.exp(rng.uniform(math.log(SHORTEST), math.log(LONGEST))))
        start = rng.randrange(len(words) - size)
        texts.append(" ".join(words[start : start + size]))
    return texts


async def load(texts: list[str], connections: int) -> list[tuple[int, float]]:
    """Ask for texts at random; the positions and seconds of every answer."""
    answers: list[tuple[int, float]] = []
    end_s = time.perf_counter() + SECONDS

    async def work(index: int) -> None:
        rng, connection = random.Random(index), Connection(PORT)
        while time.perf_counter() < end_s:
            body = json.dumps({"inputs": rng.choice(texts)}).encode()
            answer = await connection.ask(b"/v1/predict", body)
            assert answer.status == 200, answer.body
            answers.append((json.loads(answer.body)["usage"]["positions"], answer.seconds))
        connection.close()

    await asyncio.gather(*map(work, range(connections)))
    return answers


def p95_ms(seconds: list[float]) -> float:
    """The 95th percentile."""
    return 1000 * sorted(seconds)[int(0.95 * len(seconds))]


def main(
    data: Annotated[Path, typer.Option(envvar="REGARD_DATA", help="Folder with SNIPS.")],
    bundle: Path = ROOT / "bundles/assistant",
    rounds: int = 5,
) -> None:
    """Print the medians, write results/lengths.json."""
    os.sched_setaffinity(0, {1})
    texts = mix(snips_test(data).read_text("utf-8").splitlines())
    longest = max(texts, key=len)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        (file := Path(folder) / "texts").write_text("\n".join(texts), "utf-8")
        raw = RawProcess(bundle, file)
        with serving(bundle), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            for _ in range(rounds):
                ceiling = raw("batched")
                answers = runner.run(load(texts, CONNECTIONS))
                short = [seconds for positions, seconds in answers if positions < SHORT]
                alone = [
                    seconds
                    for positions, seconds in runner.run(load(texts, 1))
                    if positions < SHORT
                ]
                runs = runner.run(load([longest], 1))
                tokens_per_s = sum(positions for positions, _ in answers) / SECONDS
                rows.append(
                    {
                        "raw_tokens_per_s": ceiling["positions_per_s"],
                        "tokens_per_s": tokens_per_s,
                        "ratio": tokens_per_s / ceiling["positions_per_s"],
                        "short_p95_ms": p95_ms(short),
                        "short_alone_p95_ms": p95_ms(alone),
                        "longest_ms": 1000 * statistics.median(seconds for _, seconds in runs),
                        "all_p95_ms": p95_ms([seconds for _, seconds in answers]),
                        "all_max_ms": 1000 * max(seconds for _, seconds in answers),
                    }
                )
    summary = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    Console().print(summary)
    Console().print(f"written: {machine.write('lengths', {'summary': summary, 'runs': rows})}")


if __name__ == "__main__":
    typer.run(main)
