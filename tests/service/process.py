"""The service as a process of its own, and what talks to it."""

import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

QUIET = {"REGARD_LOG_LEVEL": "warning"}
ROOT = Path(__file__).parents[2]
PATIENCE_S = 120  # far more than anything here takes, for machines that have much else to do
SERVE = "from service.server import serve; from service.settings import Settings; serve(Settings())"


@contextmanager
def serving(
    folder: Path | str, code: str = SERVE, wait: bool = True, **settings: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process and its address; killed at the end if it still runs.

    Args:
        folder: of the bundles; of several folders, as REGARD_BUNDLES lists them.
        code: what is run.
        wait: until it is ready; else its address is that of the setting `port`.
        settings: of the service.
    """
    names = {f"REGARD_{name.upper()}": value for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"REGARD_BUNDLES": str(folder), "REGARD_PORT": "0"} | QUIET | names,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            url = f"http://127.0.0.1:{settings.get('port')}"
            yield process, read_url(process) if wait else url
        finally:
            process.kill()


def connect(url: str) -> socket.socket:
    host, port = re.fullmatch(r"https?://(.*):(\d+)", url).groups()
    return socket.create_connection((host, int(port)), timeout=PATIENCE_S)


def post(url: str, content: bytes) -> dict:
    with urllib.request.urlopen(url, content, timeout=PATIENCE_S) as response:
        return json.load(response)


def read_url(process: subprocess.Popen[str]) -> str:
    """The address that it prints when it is ready."""
    line = process.stdout.readline()
    found = re.search(r"https?://127\.0\.0\.1:\d+", line)
    assert found, line + process.stderr.read()
    return found[0]


def request(method: str, url: str, **arguments: Any) -> httpx.Response:
    """On a connection of its own."""
    return httpx.request(method, url, timeout=PATIENCE_S, **arguments)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
