"""The protocol's bodies, written and read without the service's code or a client's."""

import json
import struct
from typing import Any

CODES = {"INT32": "i", "INT64": "q", "BOOL": "?", "FP32": "f", "FP16": "e"}


def pack(datatype: str, values: list[Any]) -> bytes:
    """Flat values as bytes."""
    if datatype == "BYTES":
        encoded = [value if isinstance(value, bytes) else value.encode() for value in values]
        return b"".join(struct.pack("<I", len(each)) + each for each in encoded)
    return struct.pack(f"<{len(values)}{CODES[datatype]}", *values)


def unpack(datatype: str, content: bytes) -> list[Any]:
    """Bytes as flat values."""
    if datatype != "BYTES":
        code = CODES[datatype]
        return list(struct.unpack(f"<{len(content) // struct.calcsize(code)}{code}", content))
    values = []
    while content:
        (size,) = struct.unpack_from("<I", content)
        values.append(content[4 : 4 + size].decode())
        content = content[4 + size :]
    return values


def tensor(name: str, datatype: str, shape: list[int], data: Any = None, **more: Any) -> dict:
    """A tensor of a request."""
    told = {"name": name, "datatype": datatype, "shape": shape}
    return told | ({} if data is None else {"data": data}) | more


def text(*texts: str) -> dict:
    return tensor("text", "BYTES", [len(texts)], list(texts))


def body(head: object, *contents: bytes) -> tuple[bytes, dict[str, str]]:
    """A binary body, and the header that goes with it."""
    told = json.dumps(head).encode()
    return told + b"".join(contents), {"inference-header-content-length": str(len(told))}


def values(response: Any) -> dict[str, Any]:
    """The flat values of each output of an answer."""
    assert response.status_code == 200, response.text
    length = response.headers.get("inference-header-content-length")
    head = json.loads(response.content[: int(length) if length else None])
    rest = response.content[int(length) :] if length else b""
    found = {}
    for output in head["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        assert (size is None) == ("data" in output)
        if size is None:
            found[output["name"]] = output["data"]
        else:
            found[output["name"]] = unpack(output["datatype"], rest[:size])
            rest = rest[size:]
    assert not rest
    media = "application/octet-stream" if length else "application/json"
    assert response.headers["content-type"] == media
    return found
