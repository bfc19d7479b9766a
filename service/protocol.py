"""HTTP/1.1 as uvicorn reads it, with a bound on what it would collect before anybody is asked."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.errors import HeadersTooLarge
from service.problems import MEDIA_TYPE, write_problem

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
            status, _, body, _ = write_problem(told)
            head = f"HTTP/1.1 {status} \r\ncontent-type: {MEDIA_TYPE}\r\nconnection: close\r\n"
            length = f"content-length: {len(body)}\r\n\r\n"
            self.transport.write(head.encode() + length.encode() + body)
        self.transport.close()
