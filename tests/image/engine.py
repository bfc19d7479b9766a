"""A container engine: Docker or Podman where one works, else Debian's Podman, installed here.

Where the registry of the base image cannot be reached, Debian's own Python stands in for it.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.service.process import PATIENCE_S, ROOT

BASE = re.search(r"^ARG BASE=(.*)$", (ROOT / "Dockerfile").read_text("utf-8"), re.M)[1]
STAND_IN = "localhost/python:3.11-bookworm"
TOOLS = ["podman", "runc", "netavark", "aardvark-dns", "iptables", "uidmap", "mmdebstrap"]
PYTHON = "ca-certificates,python3,python3-pip,python3-venv,python-is-python3"
# As in the image that it stands in for: pip may install, and nothing is compiled.
LIKE_IT = [
    """rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED""",
    """find "$1"/usr/lib/python3* -name __pycache__ -prune -exec rm -rf {} +""",
]
# For a machine without systemd.
PLAIN = """\
default_ulimits = ["nofile=20000:20000", "nproc=8192:8192"]
[network]
network_backend = "netavark"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


@dataclass(frozen=True)
class Engine:
    """Its command, and the environment it runs in."""

    name: str
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """What came of it, whatever that was."""
        return subprocess.run(
            [self.name, *map(str, arguments)],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=5 * PATIENCE_S,
        )

    def __call__(self, *arguments: str | Path) -> str:
        """What it prints; it must succeed."""
        done = self.start(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stderr[-2000:]}"
        return done.stdout.strip()

    def inspect(self, name: str) -> dict[str, Any]:
        return json.loads(self("inspect", name))[0]


def find(folder: Path) -> Engine:
    """The engine to test with; fails where there is none.

    Args:
        folder: for its configuration.
    """
    if not (name := works()):
        install()
        name = works()
    if name is None:
        pytest.fail("the image's tests need Docker or Podman, or root and apt-get to install it")
    return Engine(name, configure(folder) if name == "podman" else {})


def works() -> str | None:
    for name in filter(shutil.which, ("docker", "podman")):
        if subprocess.run([name, "info"], capture_output=True).returncode == 0:
            return name
    return None


def install() -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *TOOLS]):
        subprocess.run(["apt-get", *command], env=environment, capture_output=True)


def configure(folder: Path) -> dict[str, str]:
    """Podman's environment, with the authorities that this machine itself trusts."""
    if "CONTAINERS_CONF" in os.environ:
        return {}
    authorities = os.environ.get("SSL_CERT_FILE")
    volumes = [f"{authorities}:{authorities}:ro"] if authorities else []
    plain = "" if Path("/run/systemd/system").exists() else PLAIN
    path = folder / "containers.conf"
    path.write_text(f"[containers]\nvolumes = {json.dumps(volumes)}\n{plain}", "utf-8")
    return {"CONTAINERS_CONF": str(path)}


def base(engine: Engine, folder: Path) -> str:
    """The base image, or its stand-in."""
    for image in (BASE, STAND_IN):
        if engine.start("image", "inspect", image).returncode == 0:
            return image
    if engine.start("pull", BASE).returncode == 0:
        return BASE
    archive = folder / "base.tar"
    hooks = [f"--customize-hook={hook}" for hook in LIKE_IT]
    options = ["--variant=minbase", f"--include={PYTHON}", *hooks]
    subprocess.run(
        ["mmdebstrap", *options, "bookworm", archive, mirror()], check=True, capture_output=True
    )
    engine("import", "--change", 'CMD ["python3"]', archive, STAND_IN)
    archive.unlink()
    return STAND_IN


def mirror() -> str:
    """The one that this machine gets its own packages from."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)"],
        check=True,
        capture_output=True,
        text=True,
    )
    return next(
        line.split()[1] for line in listed.stdout.splitlines() if line.startswith("bookworm ")
    )
