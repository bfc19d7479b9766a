"""Workload (e): requests arrive at four times the rate that can be served.

    REGARD_DATA=DIR python bench/overload.py [--rounds 5]

In turns: 64 connections that each wait for their answer (the capacity), then arrivals at random
(Poisson) at four times that rate, whoever has been answered. Service on core 0, clients on core 1.
"""

import asyncio
import json
import os
import random
import statistics
import time
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console

import machine
from client import Answer, Connection
from load import snips_test
from subject import PORT, ROOT, serving

SECONDS = 5.0
CONNECTIONS = 64
TIMES = 4
PATH = b"/v1/predict"


async def closed(bodies: list[bytes]) -> dict[str, float]:
    """Every connection asks again when it is answered."""
    answers: list[Answer] = []
    end_s = time.perf_counter() + SECONDS

    async def work(index: int) -> None:
        connection = Connection(PORT)
        while time.perf_counter() < end_s:
            answers.append(await connection.ask(PATH, bodies[index % len(bodies)]))
            index += CONNECTIONS
        connection.close()

    await asyncio.gather(*map(work, range(CONNECTIONS)))
    assert all(answer.status == 200 for answer in answers)
    return {"per_s": len(answers) / SECONDS}


async def flood(bodies: list[bytes], rate: float) -> dict[str, float]:
    """Requests at that rate, over as many connections as it takes."""
    answers: list[Answer] = []
    idle: list[Connection] = []
    tasks: set[asyncio.Task[None]] = set()
    rng = random.Random(0)

    async def ask(body: bytes) -> None:
        connection = idle.pop() if idle else Connection(PORT)
        answers.append(await connection.ask(PATH, body))
        idle.append(connection)

    started_s = due_s = time.perf_counter()
    while due_s - started_s < SECONDS:
        due_s += rng.expovariate(rate)
        if (wait_s := due_s - time.perf_counter()) > 0:
            await asyncio.sleep(wait_s)
        task = asyncio.create_task(ask(rng.choice(bodies)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    sent = len(answers) + len(tasks)
    late_s = time.perf_counter() - started_s - SECONDS
    served_in_time = sum(answer.status == 200 for answer in answers)
    await asyncio.gather(*tasks)
    for connection in idle:
        connection.close()
    refused = [answer for answer in answers if answer.status != 200]
    refusals_ms = sorted(1000 * answer.seconds for answer in refused)
    return {
        "sent_per_s": sent / (SECONDS + late_s),
        "goodput_per_s": served_in_time / (SECONDS + late_s),
        "refused": len(refused),
        "malformed": sum(not well_formed(answer) for answer in refused),
        "refusal_p50_ms": statistics.median(refusals_ms),
        "refusal_p99_ms": refusals_ms[int(0.99 * len(refusals_ms))],
        "refusal_max_ms": refusals_ms[-1],
    }


def well_formed(answer: Answer) -> bool:
    """A 429 problem that says when to come again."""
    problem = json.loads(answer.body)
    return (
        answer.status == problem["status"] == 429
        and answer.headers[b"content-type"] == b"application/problem+json"
        and int(answer.headers[b"retry-after"]) > 0
    )


def main(
    data: Annotated[Path, typer.Option(envvar="REGARD_DATA", help="Folder with SNIPS.")],
    bundle: Path = ROOT / "bundles/assistant",
    rounds: int = 5,
) -> None:
    """Print the medians, write results/overload.json."""
    os.sched_setaffinity(0, {1})
    lines = snips_test(data).read_text("utf-8").splitlines()
    bodies = [json.dumps({"inputs": [line.strip()]}).encode() for line in lines]
    rows = []
    with serving(bundle), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for _ in range(rounds):
            capacity = runner.run(closed(bodies))["per_s"]
            row = runner.run(flood(bodies, TIMES * capacity))
            rows.append(row | {"closed_per_s": capacity, "ratio": row["goodput_per_s"] / capacity})
    summary = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    summary["malformed"] = sum(row["malformed"] for row in rows)
    Console().print(summary)
    Console().print(f"written: {machine.write('overload', {'summary': summary, 'runs': rows})}")


if __name__ == "__main__":
    typer.run(main)
