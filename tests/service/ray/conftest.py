"""Ray in an environment of its own, as large as all else together; and a cluster of it."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.service.process import ROOT, free_port

CPUS = 4  # as Ray counts them


@pytest.fixture(scope="session")
def environment(request: pytest.FixtureRequest) -> Path:
    """Its folder of programs; this one with the extra `ray`, made once, in pytest's cache."""
    folder = request.config.cache.mkdir("ray")
    done, pins = folder / "installed.txt", ROOT / "constraints.txt"
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = "\n".join([*extra["ray"], pins.read_text()])
    if not done.exists() or done.read_text() != wanted:
        shutil.rmtree(folder)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = folder / "bin" / "python"
        name = f"lib/python3.{sys.version_info.minor}/site-packages/ours.pth"
        (folder / name).write_text(sysconfig.get_path("purelib"))
        pip = [python, "-m", "pip", "install", "--quiet", "-c", pins, *extra["ray"]]
        subprocess.run(pip, check=True, env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"})
        done.write_text(wanted)
    return folder / "bin"


@pytest.fixture(scope="package")
def cluster(environment: Path) -> Iterator[SimpleNamespace]:
    """A cluster of one machine.

    Attributes: process; programs, a folder; env, with which programs find it.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="ray") as folder:  # its sockets want a short path
        env = os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)}
        env |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": uuid.uuid4().hex}
        env["RAY_worker_niceness"] = "0"  # else they starve where anything else runs
        command = [environment / "ray", "start", "--head", "--block", f"--num-cpus={CPUS}"]
        options = {"port": port, "node-ip-address": "127.0.0.1", "temp-dir": folder}
        options |= {"include-dashboard": "false", "ray-client-server-port": free_port()}
        process = subprocess.Popen(
            [*command, *(f"--{name}={value}" for name, value in options.items())],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        env["RAY_ADDRESS"] = f"127.0.0.1:{port}"
        try:
            yield SimpleNamespace(process=process, programs=environment, env=env)
        finally:
            process.terminate()
            process.wait()
