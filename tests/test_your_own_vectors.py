"""The page is walked from its first line to its last, and answers as it says."""

import csv
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest

from tests.pages import NUMBER, OWN_VECTORS, ROOT, same
from tests.service.process import PATIENCE_S, read_url

STEP = re.compile(r"(?:as `([\w.]+)`:\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BAR = re.compile(r" *#*$", re.MULTILINE)
SERVE = "REGARD_BUNDLES=bundles regard serve\n"
RUN = {"bash": ["bash", "-ec"], "python": ["python", "-c"]}
TOLERANCE = 0.1  # another machine's arithmetic makes another network
ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "PYTHONPATH": str(ROOT),
    "REGARD_PORT": "0",
    "OMP_NUM_THREADS": "1",
}


@pytest.fixture(scope="module")
def walk(tmp_path_factory) -> Iterator[SimpleNamespace]:
    """All steps done. shown: (language, shown, printed) of each answer; url: of the service."""
    folder = tmp_path_factory.mktemp("own")
    shown, printed, server, url = [], "", None, ""
    try:
        for name, kind, text in STEP.findall(OWN_VECTORS.read_text("utf-8")):
            if name:
                (folder / name).write_text(text, "utf-8")
            elif text == SERVE:
                server = start(text, folder)
                url = read_url(server)
            elif kind in RUN:
                printed = run(kind, text.replace("8000", url.rpartition(":")[2]), folder)
            else:
                shown.append((kind, text, printed))
        yield SimpleNamespace(folder=folder, shown=shown, url=url)
    finally:
        if server is not None:
            server.terminate()
            server.communicate(timeout=PATIENCE_S)
            assert server.returncode == 0


def start(command: str, folder: Path) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(
        ["bash", "-c", f"exec env {command}"], cwd=folder, env=ENVIRONMENT, **pipes
    )


def run(kind: str, program: str, folder: Path) -> str:
    """What it prints."""
    done = subprocess.run(
        [*RUN[kind], program],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def answer(printed: str) -> dict:
    """Of the last command of several."""
    return json.loads(printed.splitlines()[-1])


def read(path: Path) -> list[list[dict[str, str]]]:
    """The rows of each run."""
    runs = defaultdict(list)
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            runs[row["run"]].append(row)
    return list(runs.values())


def readings(rows: list[dict[str, str]]) -> np.ndarray:
    return np.array([[float(row["place_mm"]), float(row["acceleration"])] for row in rows])


def by_nearest_mean(train: list, test: list) -> list[str]:
    """The event whose runs' mean is nearest to the mean of a run, in standard deviations."""
    means = np.array([readings(rows).mean(0) for rows in train])
    events = np.array([rows[0]["event"] for rows in train])
    names = sorted(set(events))
    centres = np.array([means[events == name].mean(0) for name in names])
    found = [np.abs((readings(rows).mean(0) - centres) / means.std(0)) for rows in test]
    return [names[(distance**2).sum(1).argmin()] for distance in found]


def test_every_step_answers_as_shown(walk) -> None:
    assert len(walk.shown) == 7
    for kind, shown, printed in walk.shown:
        if kind == "json":
            assert same(answer(printed), json.loads(shown), TOLERANCE), printed
        else:
            ours, theirs = (BAR.sub("", NUMBER.sub("", text)) for text in (printed, shown))
            assert ours == theirs, printed


def test_numbers_and_npy_get_the_same_answer(walk) -> None:
    answers = [printed for _, _, printed in walk.shown if '"springs"' in printed]
    assert len(answers) == 2
    assert answers[0] == answers[1]


def test_it_looked_at_every_moment_once(walk) -> None:
    shares = re.findall(r"^\d\.\d s +(\d\.\d\d)", walk.shown[-1][2], re.MULTILINE)
    assert len(shares) == 12
    assert sum(map(float, shares)) == pytest.approx(1, abs=0.06)


def test_what_is_served_knows_what_the_means_do_not(walk) -> None:
    train, test = (read(walk.folder / f"{name}.csv") for name in ("train", "test"))
    inputs = [{"vectors": readings(rows).tolist()} for rows in test]
    results = []
    for begin in range(0, len(inputs), 100):
        asked = {"inputs": inputs[begin : begin + 100]}
        response = httpx.post(f"{walk.url}/v1/predict", json=asked, timeout=PATIENCE_S)
        results += response.raise_for_status().json()["results"]

    def right(found: list[str]) -> float:
        return np.mean([rows[0]["event"] == event for rows, event in zip(test, found, strict=True)])

    served = right([result["classes"]["event"][0]["label"] for result in results])
    measured = next(answer(text) for _, _, text in walk.shown if "exact_match" in text)
    assert served == pytest.approx(measured["event.accuracy"], abs=1e-4)
    assert served > 0.9
    baseline = right(by_nearest_mean(train, test))
    assert baseline < 0.5
    assert f"is right of {100 * baseline:.1f} %." in OWN_VECTORS.read_text("utf-8")
    hertz = np.array([float(rows[0]["hertz"]) for rows in test])
    errors = hertz - [result["values"]["hertz"] for result in results]
    assert np.sqrt((errors**2).mean()) < hertz.std() / 4
    states = [[row["state"] for row in rows] for rows in test]
    said = [[each["label"] for each in result["labels"]["state"]] for result in results]
    assert (np.array(states) == np.array(said)).mean() > 0.9
