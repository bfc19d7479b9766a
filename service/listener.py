"""The listening socket: how it is opened, and how it is closed without a connection lost."""

import ctypes
import socket
import struct
import sys
from contextlib import suppress

SO_ATTACH_FILTER = 26  # Linux
BACKLOG = 2048
KEEPALIVE_S = 60  # of silence, then the other side is asked whether it is there
SYN, ACK, FLAGS = 0x02, 0x10, 13  # of a TCP header, and their place in it
# Classic BPF, each (code, jump if true, jump if false, constant): drop what has SYN and not ACK.
DROP_SYN = (
    (0x30, 0, 0, FLAGS),  # load the byte
    (0x54, 0, 0, SYN | ACK),  # and
    (0x15, 0, 1, SYN),  # equal?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # take
)


def listen(host: str, port: int) -> socket.socket:
    """Open the port, to be shared with other processes.

    Raises:
        OSError: it cannot be opened.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    # Its connections inherit this: else whoever vanishes without a word is waited for for ever.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S)
    return listener


def url_of(listener: socket.socket, scheme: str) -> str:
    """Where it can be reached."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def refuse_new(listener: socket.socket) -> None:
    """Let the kernel finish no further handshake, so that none waits unseen when this is closed.

    Closing a socket resets the connections it has and we have not accepted. Those that would come
    now try again, and find it closed. Elsewhere than on Linux nothing happens.
    """
    if sys.platform == "linux":
        program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in DROP_SYN))
        header = struct.pack("HP", len(DROP_SYN), ctypes.addressof(program))
        with suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, header)
