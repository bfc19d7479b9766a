"""The load: SNIPS' test utterances, sent by wrk."""

import json
import subprocess
from pathlib import Path

BENCH = Path(__file__).parent


def snips_test(data: Path) -> Path:
    """The file of utterances, a line each; `data` is SNIPS' folder, or the one that holds it."""
    return next(p for p in (data / "test/seq.in", data / "snips/test/seq.in") if p.is_file())


def wrk(url: str, connections: int, bodies: Path, seconds: int) -> dict[str, float]:
    """Load from core 1; requests/s, latencies in milliseconds, failed requests.

    Raises:
        subprocess.CalledProcessError: wrk could not.
    """
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    script = ["-s", BENCH / "load.lua", url, "--", bodies]
    done = subprocess.run([*command, *script], capture_output=True, check=True, text=True)
    row = json.loads(done.stdout.splitlines()[-1])
    return row | {"per_s": row["requests"] / row["seconds"]}
