"""The image, built as users do, and containers of it, locked up as docs/containers.md says."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest

from tests.image import engine as engines
from tests.image.engine import Engine
from tests.service.process import PATIENCE_S, ROOT, free_port

HARDENED = [
    *("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"),
    *("--memory=2g", "--pids-limit=256", "--stop-timeout=40"),
]
NAME = "regard-test:latest"


@dataclass(frozen=True)
class Container:
    """One that runs; `url` is of its port."""

    engine: Engine
    id: str
    url: str

    def wait_ready(self) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not self.is_ready():
            state = self.engine.inspect(self.id)["State"]
            assert state["Running"], self.logs()
            assert time.monotonic() < end_s, self.logs()
            time.sleep(0.1)

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/ready", verify=False).status_code == 200
        except httpx.TransportError:
            return False

    def is_healthy(self) -> bool:
        """By the image's own health check."""
        check = self.engine.inspect(self.id)["Config"]["Healthcheck"]["Test"]
        assert check[0] == "CMD"
        return self.engine.start("exec", self.id, *check[1:]).returncode == 0

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.engine("kill", "--signal=TERM", self.id)
        return self.wait()

    def wait(self) -> int:
        return int(self.engine("wait", self.id))

    def logs(self) -> str:
        done = self.engine.start("logs", self.id)
        return done.stdout + done.stderr


Run = Callable[..., Iterator[Container]]


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return engines.find(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="session")
def base(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    return engines.base(engine, tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def image(engine: Engine, base: str) -> str:
    """Its name, once `make image` has built it."""
    command = ["make", "image", f"DOCKER={engine.name}", f"BASE={base}", "IMAGE=regard-test"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | engine.environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return NAME


@pytest.fixture(scope="session")
def run(engine: Engine, image: str) -> Run:
    """run(*options, port=8000, scheme="http", **settings) -> a context: a container, ready.

    The port is that of the service; what is not the image's own is set.
    """
    # Else Podman gives it /run and /var/tmp to write to.
    hardened = HARDENED + ["--read-only-tmpfs=false"] * (engine.name == "podman")

    @contextmanager
    def start(
        *options: str, port: int = 8000, scheme: str = "http", **settings: str
    ) -> Iterator[Container]:
        shared = "--network=host" in options
        ours = port if shared else free_port()
        published = [] if shared else [f"--publish=127.0.0.1:{ours}:{port}"]
        settings |= {} if port == 8000 else {"port": str(port)}
        env = [f"--env=REGARD_{name.upper()}={value}" for name, value in settings.items()]
        options = (*hardened, *published, *env, *options)
        made = engine("run", "--detach", *options, image)
        container = Container(engine, made, f"{scheme}://127.0.0.1:{ours}")
        try:
            container.wait_ready()
            yield container
        finally:
            engine("rm", "--force", made)

    return start


@pytest.fixture(scope="module")
def served(run: Run) -> Iterator[Container]:
    """One with the settings of the image, that may write nowhere."""
    with run() as container:
        yield container
