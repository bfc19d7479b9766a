"""The Dockerfile, read but not built: `make image-test` does that (tests/image)."""

import re
import subprocess
import sys
from pathlib import Path

from tests.pages import ROOT


def test_the_dockerfile_has_no_fault_that_hadolint_knows() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--failure-threshold=style", ROOT / "Dockerfile"],
        cwd="/",  # no configuration of anybody's
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_would_find_one() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    faulty = b"FROM debian\nRUN cd /tmp && sudo true\n"
    done = subprocess.run([hadolint, "-"], input=faulty, capture_output=True)
    assert done.returncode == 1
    assert b"DL3004" in done.stdout


def test_the_image_of_the_licences_has_the_versions_of_the_constraints() -> None:
    constraints = dict(
        re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.M)
    )
    exact = {re.sub("[_.]", "-", name).lower(): version for name, version in constraints.items()}
    page = (ROOT / "docs" / "licences.md").read_text("utf-8")
    listed = dict(re.findall(r"^\| ([a-z][\w-]+) \| (\d\S*) \|", page, re.M))
    assert len(listed) > 30
    assert listed == {name: exact[name] for name in listed}
