"""Bodies of /v2: JSON, or JSON and then the bytes of tensors; either may be compressed."""

import zlib
from collections.abc import Mapping, Sequence

import orjson

from service.errors import BodyIncomplete, BodyTooLarge, Unsupported
from service.exchange import Reply
from service.oip.schemas import InferRequest
from service.oip.tensors import Tensor, refuse, write
from service.parse import parse

HEADER_LENGTH = b"inference-header-content-length"
SHARED = "shared_memory_region"
ENCODINGS = {b"gzip": 31, b"deflate": 15}  # as zlib calls them; deflate is the format of RFC 1950
WORTHWHILE = 1_024  # smaller answers are not compressed
LEVEL = 1
DIGITS = 10


def inflate(body: bytes, encoding: bytes, limit: int) -> bytes:
    """The body as it was before it was compressed; no more of it is made than is allowed.

    Raises:
        BodyTooLarge: it has more than `limit` bytes.
        BodyIncomplete: its end is missing.
        InvalidRequest: it is not compressed so, or something follows it.
    """
    inflater = zlib.decompressobj(ENCODINGS[encoding])
    try:
        inflated = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise refuse(
            ["Content-Encoding"], f"the body is not {encoding.decode()}: {error}"
        ) from None
    if len(inflated) > limit:
        raise BodyTooLarge(f"the body inflates to more than the {limit} bytes that are allowed")
    if not inflater.eof:
        raise BodyIncomplete(f"the end of the {encoding.decode()} is missing")
    if inflater.unused_data:
        raise refuse(["Content-Encoding"], "something follows what was compressed")
    return inflated


def choose_encoding(accepted: bytes) -> bytes | None:
    """How to compress the answer, by the request's Accept-Encoding; None: not at all."""
    wanted = set()
    for part in accepted.lower().split(b","):
        name, _, weight = part.partition(b";")
        if weight.strip() not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000"):
            wanted.add(name.strip())
    return next((encoding for encoding in ENCODINGS if encoding in wanted), None)


def deflate(reply: Reply, encoding: bytes) -> Reply:
    """The reply, compressed where that is worth it."""
    if not isinstance(reply.body, bytes) or len(reply.body) < WORTHWHILE:
        return reply
    deflater = zlib.compressobj(LEVEL, wbits=ENCODINGS[encoding])
    body = deflater.compress(reply.body) + deflater.flush()
    return Reply(body, reply.media, [*reply.headers, (b"content-encoding", encoding)])


def read_request(
    body: bytes, headers: Mapping[bytes, bytes]
) -> tuple[InferRequest, list[bytes | None]]:
    """A request, and for each of its inputs the bytes, or None where they are in its `data`.

    Raises:
        InvalidJson, InvalidRequest: it is none.
        Unsupported: a tensor is not in the body.
    """
    end = _header_length(headers.get(HEADER_LENGTH), len(body))
    asked = parse(InferRequest, body[:end])
    for part in (*asked.inputs, *(asked.outputs or ())):
        if SHARED in part.parameters:
            raise Unsupported(f"{part.name}: tensors are in the body, never in shared memory")
    contents: list[bytes | None] = []
    for tensor in asked.inputs:
        loc: list[str | int] = ["inputs", tensor.name, "parameters", "binary_data_size"]
        size = tensor.parameters.get("binary_data_size")
        if (size is None) == (tensor.data is None):
            raise refuse(loc[:2], "it has either data or binary_data_size")
        if size is None:
            contents.append(None)
            continue
        if type(size) is not int or size < 0:
            raise refuse(loc, f"{size!r:.20} is no number of bytes")
        if end + size > len(body):
            raise refuse(loc, f"{size} bytes; {len(body) - end} are left of the body")
        contents.append(body[end : end + size])
        end += size
    if end < len(body):
        raise refuse(["inputs"], f"{len(body) - end} bytes of the body belong to no tensor")
    return asked, contents


def write_reply(
    name: str, version: str, id: str | None, outputs: Sequence[tuple[Tensor, bool]]
) -> Reply:
    """An answer.

    Args:
        name: of the model.
        version: of the model.
        id: of the request, if it had one.
        outputs: each with whether it is written as bytes.
    """
    response: dict[str, object] = {"model_name": name, "model_version": version}
    if id is not None:
        response["id"] = id
    written = [write(tensor, binary) for tensor, binary in outputs]
    response["outputs"] = [tensor for tensor, _ in written]
    head = orjson.dumps(response, option=orjson.OPT_SERIALIZE_NUMPY)
    if not any(binary for _, binary in outputs):
        return Reply(head)
    body = b"".join([head, *(content for _, content in written)])
    return Reply(body, b"application/octet-stream", [(HEADER_LENGTH, b"%d" % len(head))])


def _header_length(given: bytes | None, size: int) -> int:
    if given is None:
        return size
    told = given[:20].decode("latin-1")
    if not given.isdigit() or len(given) > DIGITS or int(given) > size:
        found = f"{told!r} is no number of bytes up to the body's {size}"
        raise refuse(["Inference-Header-Content-Length"], found)
    if not int(given):
        found = "a body without JSON is not taken; say what the tensors are"
        raise refuse(["Inference-Header-Content-Length"], found)
    return int(given)
