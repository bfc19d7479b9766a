"""Chromium: the one on PATH, else Debian's, else the one that Playwright downloads."""

import os
import shutil
import subprocess
import sys

import pytest
from playwright.sync_api import Browser, Error, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DEBIAN = ("chromium", "fonts-dejavu-core")
MICROPHONE = "--use-fake-device-for-media-stream"  # it beeps
ARGUMENTS = [MICROPHONE, *(["--no-sandbox"] if os.geteuid() == 0 else [])]


def launch(playwright: Playwright) -> Browser:
    """A headless browser; fails if there is none to be had."""
    path = find() or install_from_debian()
    if path is None:
        download()
    try:
        return playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
    except Error as error:
        pytest.fail(f"Chromium ({path or 'as Playwright downloads it'}) does not start: {error}")


def find() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


def install_from_debian() -> str | None:
    """Where this is root's to do and apt-get is there; its path, if that worked."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return None
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *DEBIAN]):
        subprocess.run(["apt-get", *command], env=environment, **quiet)
    return find()


def download() -> None:
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(
            "the explorer's tests need Chromium: none is on PATH, apt-get gave none, "
            f"and Playwright's download failed: {done.stderr[-500:]}"
        )
