"""The programs that read what is under deploy/, and what of it they are given."""

import io
import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.settings import Settings
from tests.environments import install
from tests.service.process import ROOT

DEPLOY = ROOT / "deploy"
USER = 10001  # of the image
DRAINED_S = 3  # what is left of the end once nothing is in flight


class Tools:
    """Each is installed when it is first asked for."""

    def __init__(self, cache: pytest.Cache):
        self._cache = cache

    def kustomize(self, folder: Path) -> list[dict[str, Any]]:
        """The objects that `kubectl apply -k` would send."""
        return list(yaml.safe_load_all(run(self._kubectl, "kustomize", folder)))

    def validate(self, objects: list[dict[str, Any]], file: Path) -> None:
        """Compare with Kubernetes' schemas, where no member may be that they do not have."""
        file.write_text(yaml.safe_dump_all(objects))
        run(self._bin / "kubernetes-validate", "--strict", file)

    def compose(self, *files: Path) -> dict[str, Any]:
        """What Compose makes of these files, one over the other."""
        options = [option for file in files for option in ("--file", file)]
        return yaml.safe_load(run(self._bin / "docker-compose", *options, "config"))

    @cached_property
    def prometheus(self) -> Path:
        """The folder of `prometheus` and `promtool`: those on PATH, else Debian's."""
        found = shutil.which("prometheus"), shutil.which("promtool")
        if all(found):
            return Path(found[0]).parent
        folder = self._cache.mkdir("prometheus")
        programs = folder / "usr" / "bin"
        if not (programs / "promtool").exists():
            if shutil.which("apt-get") is None:
                pytest.fail("these tests need Prometheus: none is on PATH, and there is no apt-get")
            run("apt-get", "update")
            run("apt-get", "download", "prometheus", cwd=folder)
            run("dpkg-deb", "--extract", *folder.glob("prometheus_*.deb"), folder)
        return programs

    @cached_property
    def _bin(self) -> Path:
        return install(self._cache, Path(__file__).with_name("deploy-tools.txt"))

    @cached_property
    def _kubectl(self) -> Path:
        kubectl = self._bin / "kubectl"
        if not kubectl.exists():
            (package,) = self._bin.parent.rglob("lambda-layer-kubectl-*.tgz")
            with tarfile.open(package) as archive:
                layer = archive.extractfile("package/lib/layer.zip").read()
            kubectl.write_bytes(zipfile.ZipFile(io.BytesIO(layer)).read("kubectl/kubectl"))
            kubectl.chmod(0o755)
        return kubectl


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """What it prints; a failure, with what it says, fails the test."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


def read_settings(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings that a container with these variables has; each must be one."""
    known = {f"REGARD_{name.upper()}" for name in Settings.model_fields}
    assert environment.keys() <= known
    for name in known & os.environ.keys():
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings()


def end_s(settings: Settings) -> float:
    """How long the end may take."""
    return settings.shutdown_delay_s + settings.drain_s + DRAINED_S
