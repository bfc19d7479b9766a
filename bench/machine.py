"""What a figure was measured on, and how it is kept."""

import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "onnxruntime",
    "onnxruntime-gpu",
    "tokenizers",
    "torch",
    "numpy",
    "fastapi",
    "uvicorn",
    "pydantic",
)


def describe() -> dict[str, object]:
    """Processor, cores, system, versions, the command and the time."""
    cpuinfo = Path("/proc/cpuinfo").read_text("utf-8")
    model = next(line for line in cpuinfo.splitlines() if line.startswith("model name"))
    return {
        "processor": model.partition(": ")[2],
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
        "command": " ".join([Path(sys.executable).name, *sys.argv]),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def write(name: str, results: dict[str, object]) -> Path:
    """Write results/<name>.json, with the machine's description."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": describe(), **results}, indent=1) + "\n", "utf-8")
    return path
