"""Workload (f): a soak with cancellations and bad input, every answer compared.

    REGARD_DATA=DIR python bench/soak.py [--minutes 10]

The right answers are asked for one at a time, before. Then connections ask at random: mostly one
text, some 64, some with attention, some that leave early, some that cannot be answered. Service on
core 0, clients on core 1.
"""

import asyncio
import json
import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console

import machine
from client import Connection
from load import snips_test
from subject import PORT, ROOT, memory_mb, serving

CONNECTIONS = 32
PATH = b"/v1/predict"
WARM_UP_S = 30.0  # memory counts after it
BAD = (
    (b"", 400),
    (b'{"inputs": "a"', 400),
    (b"[" * 2000, 400),
    (b'{"inputs": []}', 422),
    (b'{"inputs": ["a", 3]}', 422),
    (b'{"inputs": "\\u200b"}', 422),
    (b'{"inputs": "a", "model": "none"}', 404),
    (b'{"inputs": "%s"}' % (b"a " * 600), 422),
    (b'{"inputs": "%s"}' % (b"a" * 30_000), 413),
)


class Soak:
    """Requests with their right answers, and what came of them.

    Attributes:
        counts: answered, left, refused as they should be; wrong, lost.
    """

    def __init__(self, texts: list[str]):
        self.texts = texts
        self.right: dict[str, object] = {}
        self.attention: dict[str, object] = {}
        self.counts: Counter[str] = Counter()

    async def learn(self) -> None:
        """Ask for each answer alone."""
        connection = Connection(PORT)
        for index, text in enumerate(self.texts):
            self.right[text] = await self._result(connection, {"inputs": text})
            if index < 50:
                asked = {"inputs": text, "attention": {"heads": "mean"}}
                self.attention[text] = await self._result(connection, asked)
        connection.close()

    async def _result(self, connection: Connection, asked: dict[str, object]) -> object:
        answer = await connection.ask(PATH, json.dumps(asked).encode())
        return json.loads(answer.body)["results"][0]

    async def work(self, seed: int, end_s: float) -> None:
        """One connection's requests."""
        rng, connection = random.Random(seed), Connection(PORT)
        kinds = (self._one, self._many, self._attend, self._leave, self._err)
        while time.perf_counter() < end_s:
            (kind,) = rng.choices(kinds, (80, 1, 4, 10, 5))
            try:
                outcome = await kind(rng, connection)
            except (OSError, asyncio.IncompleteReadError):
                outcome = "lost"
                connection.close()
            self.counts[outcome] += 1
        connection.close()

    async def _one(self, rng: random.Random, connection: Connection) -> str:
        text = rng.choice(self.texts)
        result = await self._result(connection, {"inputs": text})
        return "answered" if result == self.right[text] else "wrong"

    async def _many(self, rng: random.Random, connection: Connection) -> str:
        texts = rng.choices(self.texts, k=64)
        answer = await connection.ask(PATH, json.dumps({"inputs": texts}).encode())
        right = [self.right[text] for text in texts]
        return "answered" if json.loads(answer.body)["results"] == right else "wrong"

    async def _attend(self, rng: random.Random, connection: Connection) -> str:
        text = rng.choice(list(self.attention))
        asked = {"inputs": text, "attention": {"heads": "mean"}}
        right = await self._result(connection, asked) == self.attention[text]
        return "answered" if right else "wrong"

    async def _leave(self, rng: random.Random, connection: Connection) -> str:
        await connection.send(PATH, json.dumps({"inputs": rng.choice(self.texts)}).encode())
        await asyncio.sleep(rng.uniform(0, 0.03))
        connection.close()
        return "left"

    async def _err(self, rng: random.Random, connection: Connection) -> str:
        body, status = rng.choice(BAD)
        answer = await connection.ask(PATH, body)
        problem = json.loads(answer.body)
        return "refused" if (answer.status, problem["status"]) == (status, status) else "wrong"


async def run(soak: Soak, seconds: float) -> None:
    """All connections, for so long."""
    end_s = time.perf_counter() + seconds
    await asyncio.gather(*(soak.work(seed, end_s) for seed in range(CONNECTIONS)))


def main(
    data: Annotated[Path, typer.Option(envvar="REGARD_DATA", help="Folder with SNIPS.")],
    bundle: Path = ROOT / "bundles/assistant",
    minutes: float = 10,
) -> None:
    """Print what came of it, write results/soak.json."""
    os.sched_setaffinity(0, {1})
    texts = [line.strip() for line in snips_test(data).read_text("utf-8").splitlines()]
    soak = Soak(texts)
    with (
        serving(bundle) as (process, _),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(soak.learn())
        runner.run(run(soak, WARM_UP_S))
        before = memory_mb(process)
        runner.run(run(soak, 60 * minutes))
        after = memory_mb(process)
    results = {
        "minutes": minutes,
        **{name: soak.counts[name] for name in ("answered", "left", "refused", "wrong", "lost")},
        "memory_mb": {"before": before, "after": after, "growth": after - before},
    }
    Console().print(results)
    Console().print(f"written: {machine.write('soak', results)}")


if __name__ == "__main__":
    typer.run(main)
