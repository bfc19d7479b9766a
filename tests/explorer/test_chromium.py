"""Where the browser comes from."""

import subprocess
from types import SimpleNamespace

import pytest

from tests.explorer import chromium


def test_the_one_on_path_is_taken_and_nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str | None] = []
    launcher = SimpleNamespace(launch=lambda executable_path, args: started.append(executable_path))
    monkeypatch.setattr(chromium.shutil, "which", {"google-chrome": "/opt/chrome"}.get)
    monkeypatch.setattr(chromium.subprocess, "run", lambda *_, **__: pytest.fail("installs"))
    chromium.launch(SimpleNamespace(chromium=launcher))
    assert started == ["/opt/chrome"]


def test_where_there_is_none_to_be_had_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        tried.append(command[0])
        return subprocess.CompletedProcess(command, 1, "", "no route to host")

    monkeypatch.setattr(chromium.shutil, "which", {"apt-get": "/usr/bin/apt-get"}.get)
    monkeypatch.setattr(chromium.os, "geteuid", lambda: 0)
    monkeypatch.setattr(chromium.subprocess, "run", run)
    with pytest.raises(pytest.fail.Exception, match="no route to host"):
        chromium.launch(SimpleNamespace())
    assert tried == ["apt-get", "apt-get", chromium.sys.executable]
