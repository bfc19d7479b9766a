"""A client for what wrk cannot do: answers that are read, arrivals at a given rate, departures."""

import asyncio
import time
from dataclasses import dataclass

HEAD = b"POST %s HTTP/1.1\r\nhost: bench\r\naccept: %s\r\ncontent-length: %d\r\n\r\n"


@dataclass
class Answer:
    """What came back, and after how many seconds."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes
    seconds: float


class Connection:
    """One HTTP/1.1 connection that is kept; one request at a time."""

    def __init__(self, port: int):
        self._port = port
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, path: bytes, body: bytes, accept: bytes = b"*/*") -> None:
        """Send a request without waiting for its answer."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(HEAD % (path, accept, len(body)) + body)

    async def ask(self, path: bytes, body: bytes, accept: bytes = b"*/*") -> Answer:
        """Send a request and read its answer.

        Raises:
            OSError, asyncio.IncompleteReadError: the server closed the connection.
        """
        started_s = time.perf_counter()
        await self.send(path, body, accept)
        head = await self._reader.readuntil(b"\r\n\r\n")
        status, *lines = head[:-4].split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines)
        content = await self._reader.readexactly(int(headers[b"content-length"]))
        return Answer(int(status.split()[1]), headers, content, time.perf_counter() - started_s)

    def close(self) -> None:
        """Go away, whatever is under way."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
