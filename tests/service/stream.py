"""A client of /v1/predict that sends lines and reads answers when it likes."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from tests.service.process import connect
from tests.service.test_disconnect import reset

HEAD = (
    "POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\n"
    "transfer-encoding: chunked\r\n\r\n"
)


class Stream:
    """One request on a connection of its own.

    Attributes:
        head: of the answer, once a line of it was read.
    """

    def __init__(self, url: str):
        self.connection = connect(url)
        self.connection.sendall(HEAD.encode())
        self._answer = self.connection.makefile("rb")
        self._lines = self._read()
        self.head = b""

    def send(self, *lines: object) -> None:
        body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        self.connection.sendall(b"%x\r\n%b\r\n" % (len(body), body))

    def end(self) -> None:
        self.connection.sendall(b"0\r\n\r\n")

    def read(self) -> Any:
        """The next line of the answer."""
        return next(self._lines)

    def rest(self) -> list[Any]:
        """All other lines."""
        return list(self._lines)

    def close(self) -> None:
        """Go away; whoever is sending meanwhile is stopped."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self._answer.close()
        self.connection.close()

    def reset(self) -> None:
        """Go away without a farewell."""
        self._answer.close()
        reset(self.connection)

    def _read(self) -> Iterator[Any]:
        while line := self._answer.readline().strip():
            self.head += line + b"\n"
        left = b""
        while size := int(self._answer.readline(), 16):
            *whole, left = (left + self._answer.read(size + 2)[:size]).split(b"\n")
            yield from map(json.loads, whole)
        self._answer.readline()
        assert not left


def shrink(connection: socket.socket) -> None:
    """Let little be on its way."""
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        connection.setsockopt(socket.SOL_SOCKET, option, 65_536)
