"""HTTP/1.1 as uvicorn reads it, with a bound on what it would collect before anybody is asked."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.errors import HeadersTooLarge
from service.problems import MEDIA_TYPE, write_problem

MAX_HEAD_BYTES = 65_536  # request line and headers; a chunk as the socket gives it may be more
BODY = float("-inf")  # nothing is counted


class Protocol(HttpToolsProtocol):
    """Refuses a head that does not end; neither uvicorn nor httptools would."""

    _head: float = 0  # bytes that came of a head that has not ended

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._head += len(data)
        super().data_received(data)
        if self._head > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse()

    def on_headers_complete(self) -> None:
        """See httptools."""
        super().on_headers_complete()
        self._head = BODY

    def on_message_complete(self) -> None:
        """See httptools."""
        super().on_message_complete()
        self._head = 0

    def _refuse(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            told = HeadersTooLarge(f"the head has more than {MAX_HEAD_BYTES} bytes")
            status, _, body, _ = write_problem(told)
            head = f"HTTP/1.1 {status} \r\ncontent-type: {MEDIA_TYPE}\r\nconnection: close\r\n"
            length = f"content-length: {len(body)}\r\n\r\n"
            self.transport.write(head.encode() + length.encode() + body)
        self.transport.close()
