"""HTTP/1.1 as uvicorn reads it, with a bound on what it would collect before anybody is asked."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.errors import HeadersTooLarge
from service.problems import write_problem

# Request line and headers, or what comes after a body; a piece as the socket gives it may be more.
MAX_HEAD_BYTES = 65_536
FRAMING = 8  # a chunk of one byte has five more


class Protocol(HttpToolsProtocol):
    """Refuses a head, or trailers, that do not end; neither uvicorn nor httptools would."""

    _loose = 0  # bytes that came and are no body, since the last body or end of a head

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._loose += len(data)
        super().data_received(data)
        if self._loose > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse()

    def on_headers_complete(self) -> None:
        """See httptools."""
        super().on_headers_complete()
        self._loose = 0

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        super().on_body(body)
        self._loose = max(self._loose - FRAMING * len(body), -MAX_HEAD_BYTES)

    def on_message_complete(self) -> None:
        """See httptools."""
        super().on_message_complete()
        self._loose = 0

    def _refuse(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            told = HeadersTooLarge(f"the head has more than {MAX_HEAD_BYTES} bytes")
            found = write_problem(told, "")
            head = (
                b"HTTP/1.1 %d \r\ncontent-type: %b\r\nconnection: close\r\n"
                b"content-length: %d\r\n\r\n"
            )
            self.transport.write(head % (found.status, found.media, len(found.body)) + found.body)
        self.transport.close()
