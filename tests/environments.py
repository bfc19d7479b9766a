"""Environments of their own, for what ours cannot or should not hold; kept between runs."""

import subprocess
import sys
from pathlib import Path

import pytest


def install(cache: pytest.Cache, pins: Path) -> Path:
    """The `bin` of an environment of exactly these packages, made where it is not there yet.

    Args:
        cache: pytest's, which holds it under the name of the file.
        pins: exact versions, a line each, of all that is to be there.
    """
    folder = cache.mkdir(pins.stem)
    commands, done = folder / "bin", folder / "installed.txt"
    if not done.exists() or done.read_text() != pins.read_text():
        venv = [sys.executable, "-m", "venv", "--clear", "--without-pip", folder]
        subprocess.run(venv, check=True)
        pip = [sys.executable, "-m", "pip", "--python", commands / "python", "install", "--quiet"]
        subprocess.run([*pip, "--no-deps", "--no-compile", "-r", pins], check=True)
        done.write_text(pins.read_text())
    return commands
