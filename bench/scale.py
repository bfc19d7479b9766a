"""Ray Serve: what it costs, how it scales, what is lost when a machine dies, a bundle rolled out.

    REGARD_DATA=DIR python bench/scale.py

Needs the extra ray, wrk and two cores, which all share: replicas, Ray's proxy and its other
processes, and the load. The machines of the cluster are simulated: processes of this one, each
with two CPUs to Ray. `ray` is Ray's proxy in Python, `haproxy` its HAProxy.
"""

import asyncio
import itertools
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console
from rich.table import Table

import machine
from client import Connection
from load import snips_test, wrk
from serving import write_bodies
from subject import PORT, ROOT, URL, first_answer, serving

CONNECTIONS = (1, 8, 64)
SECONDS = 4
LOAD_CONNECTIONS = 8
LOAD_S = 45
EVENT_S = 4  # after the load began
RETRIES = 20
RETRY_S = 0.25
WINDOW_S = 2.0
FULL = 0.9  # of the rate before
LOCAL_LINES = 40_000
OFFLINE_PART = 4096
PATH = b"/v1/predict"
PROXIES = {
    "haproxy": {"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"},
    "ray": {},
}


def rates(bodies: Path) -> dict[int, dict[str, float]]:
    """A window for each number of connections."""
    return {number: wrk(URL, number, bodies, SECONDS) for number in CONNECTIONS}


class Load:
    """Connections that ask one after the other, and again where they get no answer.

    Attributes:
        times: of each answer: when it came, and after how many milliseconds.
        counts: answers by version, `failed` tries, requests that were `lost` after all retries.
    """

    def __init__(self, bodies: list[bytes]):
        self._bodies = bodies
        self.times: list[tuple[float, float]] = []
        self.counts: Counter[str] = Counter()

    async def run(self, event: Callable[[], None]) -> None:
        """For LOAD_S; `event` is called in a thread at EVENT_S."""
        started_s = time.perf_counter()
        self.event_s = started_s + EVENT_S
        work = [self._work(number, started_s + LOAD_S) for number in range(LOAD_CONNECTIONS)]
        await asyncio.gather(*work, self._call(event))

    async def _call(self, event: Callable[[], None]) -> None:
        await asyncio.sleep(EVENT_S)
        await asyncio.to_thread(event)

    async def _work(self, number: int, end_s: float) -> None:
        connection = Connection(PORT)
        turn = number
        while time.perf_counter() < end_s:
            turn = (turn + LOAD_CONNECTIONS) % len(self._bodies)
            started_s = time.perf_counter()
            for _ in range(RETRIES):
                if await self._ask(connection, self._bodies[turn]):
                    now_s = time.perf_counter()
                    self.times.append((now_s, 1000 * (now_s - started_s)))
                    break
                self.counts["failed"] += 1
                await asyncio.sleep(RETRY_S)
            else:
                self.counts["lost"] += 1
        connection.close()

    async def _ask(self, connection: Connection, body: bytes) -> bool:
        try:
            answer = await asyncio.wait_for(connection.ask(PATH, body), 10)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            connection.close()
            return False
        if answer.headers.get(b"connection") == b"close":
            connection.close()
        if answer.status != 200:
            self.counts[f"status {answer.status}"] += 1
            return False
        self.counts[f"version {json.loads(answer.body)['version']}"] += 1
        return True

    def summary(self) -> dict[str, Any]:
        """Rates and latencies before the event and after; seconds until the rate was back."""
        before = [ms for moment, ms in self.times if moment < self.event_s]
        after = [ms for moment, ms in self.times if moment >= self.event_s]
        windows = Counter(int((moment - self.event_s) // WINDOW_S) for moment, _ in self.times)
        full = FULL * len(before) / EVENT_S * WINDOW_S
        slowed = next((i for i in range(len(windows)) if windows[i] < full), None)
        whole = range(slowed or 0, int((LOAD_S - EVENT_S) / WINDOW_S))
        again = 0 if slowed is None else next((i for i in whole if windows[i] >= full), None)
        return {
            "before": {"per_s": len(before) / EVENT_S, "p99_ms": percentile(before)},
            "after": {
                "per_s": len(after) / (LOAD_S - EVENT_S),
                "p99_ms": percentile(after),
                "max_ms": max(after),
            },
            "full_rate_after_s": None if again is None else again * WINDOW_S,
            "a_window": [windows[index] for index in sorted(windows)],
            "counts": dict(self.counts),
        }


def percentile(values: list[float]) -> float:
    """The 99th."""
    return sorted(values)[int(0.99 * len(values))]


def configuration(replicas: int, bundles: Path) -> dict[str, Any]:
    """As deploy/ray/serve.yaml, with so many replicas."""
    actor = {"num_cpus": 1, "runtime_env": {"env_vars": {"REGARD_BUNDLES": str(bundles)}}}
    deployment = {"name": "Regard", "num_replicas": replicas, "ray_actor_options": actor}
    application = {"name": "regard", "route_prefix": "/", "import_path": "service.ray_app:app"}
    return {
        "proxy_location": "HeadOnly",
        "http_options": {"host": "127.0.0.1", "port": PORT},
        "logging_config": {"enable_access_log": False},
        "applications": [{**application, "deployments": [deployment]}],
    }


def on_ray(bodies: Path, folder: Path) -> dict[str, Any]:
    """All of it with one proxy, which the environment says; called in a process of its own."""
    import ray  # noqa: PLC0415
    from ray import serve  # noqa: PLC0415
    from ray.cluster_utils import Cluster  # noqa: PLC0415
    from ray.serve.context import _get_global_client  # noqa: PLC0415
    from ray.serve.schema import ServeDeploySchema  # noqa: PLC0415

    def deploy(replicas: int, version: str) -> None:
        config = configuration(replicas, folder / version)
        client.deploy_apps(ServeDeploySchema(**config), _blocking=False)

    def wait_for(replicas: int) -> None:
        running = 0
        while running != replicas:
            time.sleep(0.1)
            application = serve.status().applications["regard"]
            if application.status in ("DEPLOY_FAILED", "UNHEALTHY"):
                raise RuntimeError(application.message)
            for deployment in application.deployments.values():
                running = deployment.replica_states.get("RUNNING", 0)

    started = time.monotonic()
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "include_dashboard": False},
    )
    nodes = [cluster.add_node(num_cpus=2) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    options = configuration(1, folder)["http_options"]
    serve.start(proxy_location="HeadOnly", http_options=options)
    client = _get_global_client()
    deploy(1, "1")
    wait_for(1)
    first_answer()
    results: dict[str, Any] = {"first_answer_s": time.monotonic() - started}
    results["one_replica"] = rates(bodies)
    deploy(2, "1")
    wait_for(2)
    results["two_replicas"] = rates(bodies)
    lines = [line.encode() for line in bodies.read_text("utf-8").splitlines()]
    for name, event in {
        "rolling": lambda: deploy(2, "2"),
        "killed": lambda: cluster.remove_node(nodes[1], allow_graceful=False),
    }.items():
        load = Load(lines)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(load.run(event))
        results[name] = load.summary()
    ray.shutdown()
    cluster.shutdown()
    return results


def measure(texts: Path, bundle: Path, folder: Path, count: int) -> dict[str, Any]:
    """Bare, then behind each proxy."""
    lines = [" ".join(line.split()) for line in texts.read_text("utf-8").splitlines()]
    bodies = write_bodies(lines, 1, folder / "one")
    for version in ("1", "2"):
        copy = shutil.copytree(bundle, folder / version / bundle.name)
        manifest = json.loads((copy / "manifest.json").read_text("utf-8"))
        manifest["version"] = version
        (copy / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    results: dict[str, Any] = {"window_s": SECONDS, "load_s": LOAD_S}
    with serving(bundle, cores="0,1", threads=1):
        results["bare"] = rates(bodies)
    for proxy, environment in PROXIES.items():
        env = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
        env |= {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)}
        env |= {"RAY_TMPDIR": str(folder), "RAY_worker_niceness": "0", **environment}
        arguments = [sys.executable, __file__, "--bodies", bodies, "--folder", folder]
        done = subprocess.run(
            arguments, env=os.environ | env, stdout=subprocess.PIPE, text=True, check=True
        )
        results[proxy] = json.loads(done.stdout.splitlines()[-1])
    results["offline"] = offline(lines, bundle, folder, count)
    return results


def offline(lines: list[str], bundle: Path, folder: Path, count: int) -> dict[str, float]:
    """Seconds of `regard predict`, start included: LOCAL_LINES alone, `count` on Ray."""
    out = folder / "answers"
    on_ray = ["--engine", "ray", "--out", out, f"--part={OFFLINE_PART}"]
    results: dict[str, float] = {}
    for name, number, options in (("local", LOCAL_LINES, []), ("ray", count, on_ray)):
        source = folder / f"{name}.txt"
        texts = itertools.islice(itertools.cycle(lines), number)
        source.write_text("".join(f"{text}\n" for text in texts), "utf-8")
        command = [sys.executable, "-m", "regard", "predict", bundle.resolve(), source]
        started = time.monotonic()
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([*command, *options], cwd=ROOT, check=True, **quiet)
        results |= {f"{name}_lines": number, f"{name}_s": time.monotonic() - started}
        results[f"{name}_per_s"] = number / results[f"{name}_s"]
    parts = sorted(out.rglob("0*.jsonl"), key=lambda path: path.stat().st_mtime)
    results["answers"] = sum(part.read_bytes().count(b"\n") for part in parts)
    times = [part.stat().st_mtime for part in parts]
    results["ray_running_per_s"] = (len(parts) - 1) * OFFLINE_PART / (times[-1] - times[0])
    return results


def main(
    data: Annotated[Path | None, typer.Option(envvar="REGARD_DATA", help="With SNIPS.")] = None,
    bundle: Path = ROOT / "bundles/assistant",
    lines: Annotated[int, typer.Option(help="That Ray answers offline.")] = 40_000,
    bodies: Annotated[Path | None, typer.Option(hidden=True)] = None,
    folder: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Print the tables, write results/scale.json."""
    if bodies is not None and folder is not None:
        print(json.dumps(on_ray(bodies, folder)), flush=True)
        return
    if data is None:
        raise typer.BadParameter("REGARD_DATA or --data is needed")
    with tempfile.TemporaryDirectory(prefix="scale") as temporary:
        results = measure(snips_test(data), bundle, Path(temporary), lines)
    console = Console()
    table = Table("connections", *map(str, CONNECTIONS), title="requests/s (p50 ms, p99 ms)")
    rows = {"bare": results["bare"]}
    for proxy in PROXIES:
        for name in ("one_replica", "two_replicas"):
            rows[f"{proxy}, {name}"] = results[proxy][name]
    for name, row in rows.items():
        values = [
            f"{one['per_s']:.0f} ({one['p50_ms']:.1f}, {one['p99_ms']:.0f})" for one in row.values()
        ]
        table.add_row(name, *values)
    console.print(table)
    for proxy in PROXIES:
        for name in ("rolling", "killed"):
            console.print(proxy, name, results[proxy][name])
    console.print(results["offline"])
    console.print(f"written: {machine.write('scale', results)}")


if __name__ == "__main__":
    typer.run(main)
