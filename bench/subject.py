"""What is measured: the service as a process, and its ceiling (`raw.py`) as another."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent
PORT = 8123
URL = f"http://127.0.0.1:{PORT}/v1/predict"


class RawProcess:
    """`raw.py` on core 0."""

    def __init__(self, bundle: Path, texts: Path, precision: str = "int8"):
        command = ["taskset", "-c", "0", sys.executable, "bench/raw.py", bundle, precision, texts]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, name: str, *arguments: int) -> dict[str, float]:
        """Call a method of `raw.Raw`."""
        print(json.dumps([name, *arguments]), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())


@contextmanager
def serving(
    bundle: Path, cores: str = "0", **settings: object
) -> Iterator[tuple[subprocess.Popen, float]]:
    """The service on `cores` with one bundle; yields it and the seconds to its first answer."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / bundle.name).symlink_to(bundle.resolve())
        command = ["taskset", "-c", cores, sys.executable, "-m", "regard", "serve"]
        set_ = {"REGARD_BUNDLES": folder, "REGARD_PORT": str(PORT)}
        set_ |= {f"REGARD_{name.upper()}": str(value) for name, value in settings.items()}
        started = time.monotonic()
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | set_, stdout=subprocess.DEVNULL
        )
        try:
            yield process, first_answer(process) - started
        finally:
            process.terminate()
            process.wait()


def first_answer(process: subprocess.Popen | None = None) -> float:
    """The moment of the first answer; of the process, if it is one of ours."""
    with httpx.Client() as client:
        while True:
            time.sleep(0.01)
            if process is not None and process.poll() is not None:
                raise RuntimeError(f"the service ended with exit code {process.returncode}")
            with suppress(httpx.TransportError):
                answer = client.post(URL, json={"inputs": "hello"})
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:  # still loading
                    answer.raise_for_status()
                    return time.monotonic()


def memory_mb(process: subprocess.Popen) -> float:
    """Resident memory."""
    status = Path(f"/proc/{process.pid}/status").read_text("utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
