"""Nothing outbound, ever."""

import ipaddress
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from tests.service.process import SERVE, serving
from tests.service.test_workers import children
from tests.service.watched import WATCH, drive


def remotes(pid: int) -> set[str]:
    """Addresses of the hosts that a process has a socket to, by what the kernel knows."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:  # it was closed meanwhile
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{kind}").read_text("ascii").splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes:
                found.add(address(fields[2].partition(":")[0]))
    return found


def address(written: str) -> str:
    """As the kernel writes it: words of 4 bytes, each in the machine's order."""
    words = [bytes.fromhex(written[i : i + 8])[::-1] for i in range(0, len(written), 8)]
    return str(ipaddress.ip_address(b"".join(words)))


def test_addresses_are_read_as_the_kernel_writes_them() -> None:
    assert address("0100007F") == "127.0.0.1"
    assert address("00000000000000000000000001000000") == "::1"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_service_reaches_out_to_nobody(tiny: SimpleNamespace, workers: str) -> None:
    settings = {"default_model": "tiny", "admin_key": "k", "workers": workers}
    with serving(tiny.folder, WATCH + SERVE, **settings) as (process, url):
        seen: set[str] = set()
        with httpx.Client(base_url=url, timeout=60) as http:
            statuses = drive(http)
            for pid in [process.pid, *children(process)]:
                seen |= remotes(pid)
        assert statuses.count(200) == 16, statuses
        assert "127.0.0.1" in seen, "the watch sees our own connection"
        assert seen <= {"0.0.0.0", "127.0.0.1", "::", "::1"}
        process.terminate()
        assert process.wait(30) == 0
        assert "reached out" not in process.stderr.read()


def test_the_watch_would_have_seen_it(tiny: SimpleNamespace) -> None:
    reach = "\nimport socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
    code = f"{WATCH}{reach}.connect(('192.0.2.1', 9))\n{SERVE}"
    with serving(tiny.folder, code) as (process, _):
        process.terminate()
        assert process.wait(30) == 0
        assert "reached out: socket.connect ('192.0.2.1', 9)" in process.stderr.read()
