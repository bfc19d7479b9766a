"""The service as a process: it imports little, answers on a socket, and ends well."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN = ("torch", "onnx", "onnxscript", "safetensors", "transformers", "scipy")
SERVE = "from service.server import serve; from service.settings import Settings; serve(Settings())"


def test_the_service_runs_where_the_training_stack_is_not_installed() -> None:
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({FORBIDDEN}))\n"
        "import service.app, service.server\n"
        "import os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stderr, done.stdout) == ("", "1\n")


@contextmanager
def serving(
    folder: Path, code: str = SERVE, **settings: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process and its address; killed at the end if it still runs."""
    names = {f"REGARD_{name.upper()}": value for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"REGARD_BUNDLES": str(folder), "REGARD_PORT": "0"} | names,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            line = process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert found, line + process.stderr.read()
            yield process, found[0]
        finally:
            process.kill()


def connect(url: str) -> socket.socket:
    host, port = re.fullmatch(r"http://(.*):(\d+)", url).groups()
    return socket.create_connection((host, int(port)), timeout=20)


def post(url: str, content: bytes) -> dict:
    with urllib.request.urlopen(url, content, timeout=20) as response:
        return json.load(response)


def test_a_server_says_how_to_try_it_and_the_advice_works(tiny: SimpleNamespace) -> None:
    with serving(tiny.folder) as (process, url):
        advice = process.stdout.readline()
        command, body = re.fullmatch(r"\s+curl -s (\S+) -d '(.*)'\n", advice).groups()
        assert command == f"{url}/v1/predict"
        assert post(command, body.encode())["results"][0]["labels"]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


def test_sigterm_answers_what_is_in_flight_and_ends_with_0(tiny: SimpleNamespace) -> None:
    with serving(tiny.folder) as (process, url), ThreadPoolExecutor(8) as pool:
        body = json.dumps({"inputs": ["book a table for two"] * 200}).encode()
        head = b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
        half = connect(url)
        half.sendall(head + body[:100])  # in flight: it has begun, and is not complete
        others = [pool.submit(post, f"{url}/v1/predict", body) for _ in range(8)]
        others[0].result()
        process.send_signal(signal.SIGTERM)
        half.sendall(body[100:])
        with half, half.makefile("rb") as answer:
            assert answer.readline().split()[1] == b"200"
        assert process.wait(10) == 0
        assert process.stderr.read() == ""
        answered = [future for future in others if future.exception() is None]
        assert all(len(future.result()["results"]) == 200 for future in answered)


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"content-length: 10000000", b""),  # refused by its head: nothing was sent yet
        (b"transfer-encoding: chunked", b"%x\r\n%s\r\n" % (600, b" " * 600)),
    ],
)
def test_a_body_too_large_is_refused_before_it_ends(
    tiny: SimpleNamespace, head: bytes, piece: bytes
) -> None:
    with serving(tiny.folder, max_body_bytes="1000") as (process, url):
        with connect(url) as connection, connection.makefile("rb") as answer:
            connection.sendall(b"POST /v1/predict HTTP/1.1\r\nhost: x\r\n" + head + b"\r\n\r\n")
            connection.sendall(piece + piece)
            assert answer.readline().split()[1] == b"413"
        assert post(f"{url}/v1/predict", b'{"inputs": "noon"}')["results"]
        process.terminate()
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


def test_a_bundle_that_cannot_be_used_ends_the_start(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "regard", "serve"],
        cwd=ROOT,
        env=os.environ | {"REGARD_BUNDLES": str(tmp_path / "nowhere")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "nowhere is no folder" in done.stderr
    assert "Traceback" not in done.stderr
