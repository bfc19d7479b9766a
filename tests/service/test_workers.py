"""Several workers behind one port: one service."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.service.load import QUESTIONS, Load
from tests.service.process import PATIENCE_S, QUIET, ROOT, connect, request, serving
from tests.service.test_admin import set_version
from tests.service.test_drain import ask, check_told

KEY = {"authorization": "Bearer k"}
COUNT = re.compile(
    r'^regard_requests_total\{route="/v1/predict",status="200"\} (\S+)$', re.MULTILINE
)

RESIDENT = re.compile(r"^regard_resident_bytes (\S+)$", re.MULTILINE)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def children(process: subprocess.Popen[str]) -> list[int]:
    """The workers' process ids."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text("utf-8").rpartition(")")
            command = (path.parent / "cmdline").read_text("utf-8")
        except OSError:
            continue
        if rest.split()[1] == str(process.pid) and "spawn_main" in command and rest[1] != "Z":
            found.append(int(name.split()[0]))
    return sorted(found)


def resident(pid: int) -> int:
    """Bytes."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("utf-8"))
    return int(found[1]) * 1024


class Only:
    """While inside, only this worker takes connections: the others are stopped."""

    def __init__(self, process: subprocess.Popen[str], worker: int):
        self._others = [pid for pid in children(process) if pid != worker]

    def __enter__(self) -> None:
        for pid in self._others:
            os.kill(pid, signal.SIGSTOP)

    def __exit__(self, *error: object) -> None:
        for pid in self._others:
            os.kill(pid, signal.SIGCONT)


def counted(url: str) -> float:
    return float(COUNT.search(request("GET", f"{url}/metrics").text)[1])


@pytest.fixture
def bundles(tiny: SimpleNamespace, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return Path(shutil.copytree(tiny.folder, tmp_path / "bundles"))


def test_metrics_are_of_all_workers_whoever_is_asked_and_the_dead_are_replaced(
    tiny: SimpleNamespace,
) -> None:
    with serving(tiny.folder, workers="2", default_model="tiny") as (process, url):
        first, second = children(process)
        answers = ask(url)
        for worker, requests in ((first, 5), (second, 7)):
            with Only(process, worker):
                assert [ask(url) for _ in range(requests)] == [answers] * requests
        both = resident(first) + resident(second)
        for worker in (first, second):
            with Only(process, worker):
                assert counted(url) == 13 * len(QUESTIONS)
                page = request("GET", f"{url}/metrics").text
                assert 'regard_queue_positions{model="tiny"} 0.0' in page
                assert page.count("regard_model_info{") == 2
                assert 'precision="int8",version="7"} 1.0' in page
                assert both * 0.5 < float(RESIDENT.search(page)[1]) < both * 2
        os.kill(first, signal.SIGKILL)
        until(lambda: len(set(children(process)) - {first}) == 2)
        (third,) = set(children(process)) - {first, second}
        assert third != first
        with Only(process, third):
            assert ask(url) == answers
            assert counted(url) == 14 * len(QUESTIONS), "what the dead one did counts still"
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        assert f"worker {first} ended with exit code -9" in process.stderr.read()


def test_sigterm_under_load_loses_nothing(tiny: SimpleNamespace) -> None:
    settings = {"workers": "2", "default_model": "tiny", "precision": "fp32"}
    with serving(tiny.folder, **settings) as (process, url):
        answers = ask(url)
        with Load(url, keep=4, fresh=3) as load:
            load.wait(100)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        assert process.stderr.read() == ""
    check_told(load.told, answers)
    assert load.counts()[200] >= 100


@pytest.mark.parametrize("watch_s", ["0", "0.1"])
def test_what_an_administrator_does_is_done_by_every_worker(bundles: Path, watch_s: str) -> None:
    settings = {"workers": "2", "default_model": "tiny", "admin_key": "k", "watch_s": watch_s}
    with serving(bundles, **settings) as (process, url):
        workers = children(process)

        def versions() -> list[str | None]:
            """Of `tiny` as each worker serves it."""
            found = []
            for worker in children(process):
                with Only(process, worker):
                    found.append(request("GET", f"{url}/v1/models/tiny").json().get("version"))
            return found

        assert versions() == ["7", "7"]
        set_version(bundles / "tiny", "8")
        with Only(process, workers[0]):
            response = request("PUT", f"{url}/v1/models/tiny", headers=KEY)
            assert response.json()["version"] == "8"
        until(lambda: versions() == ["8", "8"])
        with Only(process, workers[1]):
            assert request("DELETE", f"{url}/v1/models/tiny", headers=KEY).status_code == 200
        until(lambda: versions() == [None, None])
        os.kill(workers[0], signal.SIGKILL)
        until(lambda: len(set(children(process)) - {workers[0]}) == 2)
        assert versions() == [None, None], "a new worker knows of it"
        response = request("PUT", f"{url}/v1/models/tiny", headers=KEY)
        assert response.status_code == 200
        until(lambda: versions() == ["8", "8"])
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


def test_a_change_on_disk_reaches_every_worker(bundles: Path) -> None:
    settings = {"workers": "2", "default_model": "tiny", "watch_s": "0.05"}
    with serving(bundles, **settings) as (process, url):
        set_version(bundles / "tiny", "8")
        for worker in children(process):
            with Only(process, worker):
                until(lambda: request("GET", f"{url}/v1/models/tiny").json()["version"] == "8")


def test_a_bundle_in_an_earlier_folder_reaches_every_worker_and_so_does_its_going(
    bundles: Path, tmp_path: Path
) -> None:
    first = tmp_path / "first"
    first.mkdir()
    settings = {"workers": "2", "default_model": "tiny", "watch_s": "0.05"}
    with serving(f"{first}:{bundles}", **settings) as (process, url):

        def version() -> str:
            return request("GET", f"{url}/v1/models/tiny").json()["version"]

        def every_worker_serves(wanted: str) -> None:
            for worker in children(process):
                with Only(process, worker):
                    until(lambda: version() == wanted)

        copy = shutil.copytree(bundles / "tiny", first / ".tiny")
        set_version(copy, "8")
        copy.rename(first / "tiny")
        every_worker_serves("8")
        shutil.rmtree(first / "tiny")
        every_worker_serves("7")


def test_workers_end_with_their_supervisor(tiny: SimpleNamespace) -> None:
    with serving(tiny.folder, workers="2", default_model="tiny") as (process, url):
        workers = children(process)
        process.kill()
        process.wait()
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
        with pytest.raises(OSError):
            connect(url)


def test_a_bundle_that_cannot_be_used_ends_the_start_of_all(bundles: Path) -> None:
    (bundles / "tiny" / "tokenizer.json").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "regard", "serve", "--workers", "2"],
        cwd=ROOT,
        env=os.environ | {"REGARD_BUNDLES": str(bundles), "REGARD_PORT": "0"} | QUIET,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert re.fullmatch(r"regard: .*tokenizer.json cannot be read: No such file.*\n", done.stderr)


def test_a_replacement_that_cannot_start_leaves_the_others_serving(bundles: Path) -> None:
    settings = {"workers": "2", "default_model": "tiny", "watch_s": "0"}
    with serving(bundles, **settings) as (process, url):
        first, _ = children(process)
        tokenizer = bundles / "tiny" / "tokenizer.json"
        content = tokenizer.read_bytes()
        tokenizer.unlink()
        os.kill(first, signal.SIGKILL)
        for expected in ("exit code -9", "a worker could not start: ", "exit code 1"):
            assert expected in process.stderr.readline()
        assert ask(url)[0]["version"] == "7"
        tokenizer.write_bytes(content)
        until(lambda: len(children(process)) == 2)
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
