"""A virtual environment for each peer, made once and kept."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

CACHE = Path(__file__).parent.parent / ".peers"
SHARED = ("numpy", "onnxruntime", "pydantic", "tokenizers")  # in the versions that Regard runs on


def requirements(packages: tuple[str, ...]) -> list[str]:
    """What a peer is installed from: its own packages, and the shared ones that it does not pin."""
    pinned = {package.partition("==")[0] for package in packages}
    shared = [f"{name}=={metadata.version(name)}" for name in SHARED if name not in pinned]
    return [*packages, *shared]


def install(name: str, packages: tuple[str, ...]) -> Path:
    """The environment's folder; installs what `requirements` says where it is not installed yet.

    Raises:
        subprocess.CalledProcessError: pip could not.
    """
    folder = CACHE / name
    wanted = "\n".join(requirements(packages))
    stamp = folder / "installed"
    if stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return folder
    venv = [sys.executable, "-m", "venv", "--clear", "--without-pip", folder]
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin/python", "install", "-q"]
    subprocess.run(venv, check=True)
    subprocess.run([*pip, *wanted.split()], check=True, stderr=subprocess.PIPE, text=True)
    stamp.write_text(wanted, "utf-8")
    return folder


def size_mb(folder: Path) -> float:
    """Of all files in a folder."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files) / 1e6


def needed_mb() -> float:
    """Of all that serving with Regard needs on the CPU, in the environment that measures."""
    found: dict[str, int] = {}
    names = ["regard"]
    while names:
        name = names.pop()
        if name in found:
            continue
        distribution = metadata.distribution(name)
        files = [Path(str(file.locate())) for file in distribution.files or []]
        found[name] = sum(file.stat().st_size for file in files if file.is_file())
        for line in distribution.requires or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": "cpu"}):
                names.append(requirement.name)
    return sum(found.values()) / 1e6
