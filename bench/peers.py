"""Regard beside its peers: the same ONNX file, tokenizer and utterances, one utterance a request.

    python bench/peers.py --data DIR [--only NAME] [--rounds 3] [--seconds 4]

Each peer is installed once into an environment of its own, under bench/.peers. In each round Regard
and the peer run on core 0, one standing still while wrk, on core 1, measures the other; ratios are
the medians of such pairs. Needs wrk and two cores. DIR holds SNIPS (test/seq.in).
"""

import json
import signal
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

import machine
from load import snips_test, wrk
from peers.answers import Answer, Answerer
from peers.environments import CACHE, needed_mb, requirements, size_mb
from peers.servers import Failed, Server, last_line, serving
from peers.setups import PEERS, REGARD, Setup

ROOT = Path(__file__).parent.parent
PORT = 8300  # Regard's; the peer's is 10 higher
CONNECTIONS = (1, 8, 64)
CHECKED = 64  # utterances whose answers are compared before a peer is measured
AT_ONCE = 16  # of them are asked at once

Name = StrEnum("Name", list(PEERS))
Round = dict[str, Any]


class Utterances:
    """What is asked, and what has to be answered.

    Args:
        texts: one utterance each.
        bundle: the model.
        folder: for the requests' bodies.
    """

    def __init__(self, texts: Sequence[str], bundle: Path, folder: Path):
        self.texts, self.folder = texts, folder
        answer = Answerer(bundle)
        self.expected = [labels(answer([text])[0]) for text in texts[:CHECKED]]

    def check(self, server: Server) -> None:
        """Ask some of them, several at once.

        Raises:
            Failed: an answer is not the one that the model gives to the utterance alone.
        """
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = pool.map(server.ask, self.texts[:CHECKED])
            for text, answer, expected in zip(self.texts, answers, self.expected, strict=False):
                if labels(answer) != expected:
                    found = f"{labels(answer)} to {text!r}, not {expected}"
                    raise Failed(f"{server.setup.about}: answers {found}")

    def bodies(self, setup: Setup) -> Path:
        """A file with one request a line."""
        path = self.folder / "bodies"
        path.write_text("\n".join(json.dumps(setup.body(text)) for text in self.texts), "utf-8")
        return path


def labels(answer: Answer) -> list[str]:
    """The class, and the label of every word."""
    return [answer["intent"]["label"], *(word["label"] for word in answer["words"])]


def measure(name: str, bundle: Path, utterances: Utterances, seconds: int, turn: int) -> Round:
    """One round of one peer: both servers are started, checked, and take turns.

    Raises:
        Failed: one of them does not start, or its answers are wrong.
        subprocess.CalledProcessError: the peer cannot be installed, or wrk ends with an error.
        httpx.HTTPError: one of them does not answer.
    """
    with (
        serving("regard", REGARD, bundle, PORT) as regard,
        serving(name, PEERS[name], bundle, PORT + 10) as peer,
    ):
        turns = [("regard", regard, peer), ("peer", peer, regard)]
        for _, server, _ in turns:
            utterances.check(server)
        if turn % 2:
            turns.reverse()
        runs: dict[int, dict[str, dict[str, float]]] = {number: {} for number in CONNECTIONS}
        for connections, rows in runs.items():
            for who, server, other in turns:
                bodies = utterances.bodies(server.setup)
                with other.standing_still():
                    rows[who] = wrk(server.url, connections, bodies, seconds)
        servers = {"regard": regard.describe(), "peer": peer.describe()}
    return {"servers": servers, "runs": runs}


def reason(error: Exception) -> str:
    """What failed, in a line."""
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else None
    return last_line(said or str(error) or type(error).__name__)


def medians(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of each column."""
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def summarise(rounds: Sequence[Round]) -> dict[str, Any]:
    """Medians over the rounds; a ratio is Regard's requests/s over the peer's, in one round."""
    runs = {}
    for connections in CONNECTIONS:
        pairs = [a_round["runs"][connections] for a_round in rounds]
        runs[connections] = {
            "ratio": statistics.median(p["regard"]["per_s"] / p["peer"]["per_s"] for p in pairs),
            **{
                who: medians([pair[who] for pair in pairs])
                | {"failed": sum(pair[who]["failed"] for pair in pairs)}
                for who in ("regard", "peer")
            },
        }
    servers = {
        who: medians([a_round["servers"][who] for a_round in rounds]) for who in ("regard", "peer")
    }
    return {"servers": servers, "runs": runs}


def speed_table(summaries: dict[str, dict[str, Any]]) -> Table:
    """How fast each peer is beside Regard."""
    latencies = ("p50_ms", "p99_ms")
    columns = ("peer", "conn.", "Regard/s", "peer/s", "ratio", *("p50", "p99") * 2, "failed")
    table = Table(*columns, caption="p50, p99 in ms, failed requests: Regard's, then the peer's")
    for name, summary in summaries.items():
        for connections, row in summary["runs"].items():
            servers = row["regard"], row["peer"]
            rates = (f"{server['per_s']:.0f}" for server in servers)
            times = (f"{server[key]:.1f}" for server in servers for key in latencies)
            failed = ", ".join(str(server["failed"]) for server in servers)
            table.add_row(name, str(connections), *rates, f"{row['ratio']:.2f}", *times, failed)
    return table


def size_table(summaries: dict[str, dict[str, Any]], sizes: dict[str, float]) -> Table:
    """How large each server is, and how long it takes to start."""
    table = Table("server", "RSS MB", "PSS MB", "processes", "environment MB", "first answer s")
    servers = {name: summary["servers"]["peer"] for name, summary in summaries.items()}
    if summaries:
        servers["regard"] = medians([each["servers"]["regard"] for each in summaries.values()])
    for name, row in servers.items():
        memory = f"{row['rss_mb']:.0f}", f"{row['pss_mb']:.0f}", f"{row['processes']:.0f}"
        table.add_row(name, *memory, f"{sizes[name]:.0f}", f"{row['start_s']:.1f}")
    return table


def take_rounds(
    names: Sequence[str], rounds: int, measure_one: Callable[[str, int], Round], console: Console
) -> dict[str, dict[str, Any]]:
    """Of each peer its rounds, and why those that failed did."""
    done: dict[str, dict[str, Any]] = {name: {"failures": [], "rounds": []} for name in names}
    for turn in range(rounds):
        for name, peer in done.items():
            console.print(f"round {turn + 1} of {rounds}: {name}")
            try:
                peer["rounds"].append(measure_one(name, turn))
            except (Failed, subprocess.CalledProcessError, httpx.HTTPError) as error:
                peer["failures"].append(reason(error))
    return done


def main(
    data: Annotated[Path, typer.Option(envvar="REGARD_DATA", help="Folder with SNIPS.")],
    only: Annotated[list[Name] | None, typer.Option(help="This one; may be repeated.")] = None,
    rounds: int = 3,
    seconds: Annotated[int, typer.Option(help="Of each measurement.")] = 4,
    bundle: Path = ROOT / "bundles/assistant",
) -> None:
    """Print the tables, write results/peers.json."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # servers end by it, and inherit it
    texts = [" ".join(line.split()) for line in snips_test(data).read_text("utf-8").splitlines()]
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        utterances = Utterances(texts, bundle, Path(folder))
        done = take_rounds(
            only or list(PEERS),
            rounds,
            lambda name, turn: measure(name, bundle, utterances, seconds, turn),
            console,
        )
    summaries = {name: summarise(peer["rounds"]) for name, peer in done.items() if peer["rounds"]}
    sizes = {"regard": needed_mb()} | {name: size_mb(CACHE / name) for name in summaries}
    console.print(speed_table(summaries), size_table(summaries, sizes))
    for name, peer in done.items():
        for failure in peer["failures"]:
            console.print(f"{name} failed: {failure}", style="red", markup=False)
    peers = {
        name: {
            "about": PEERS[name].about,
            "packages": requirements(PEERS[name].packages),
            **summaries.get(name, {}),
            **peer,
        }
        for name, peer in done.items()
    }
    results = {"bundle": bundle.name, "seconds": seconds, "environment_mb": sizes, "peers": peers}
    console.print(f"written: {machine.write('peers', results)}")


if __name__ == "__main__":
    typer.run(main)
