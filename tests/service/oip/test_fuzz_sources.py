"""Bodies by the hundred for models of other modalities: answered, or refused with a reason."""

import base64
import json
import math
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from tests.service.modalities import MODALITIES, cases
from tests.service.oip.test_fuzz import LENGTH, answered_or_refused
from tests.service.oip.wire import pack

MANY = profile(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
SHAPES = {"vectors": 3, "edges": 3, "valid": 2, "token_ids": 2, "audio": 1, "image": 1, "text": 1}
DATATYPES = {"vectors": "FP32", "edges": "INT64", "token_ids": "INT64", "valid": "BOOL"}
FILES = [next(iter(request.values())) for n in ("sound", "image") for request, _ in cases(n)]
WAYS = {
    "vectors": ["vectors", "valid"],
    "graph": ["vectors", "valid", "edges"],
    "sound": ["audio"],
    "image": ["image"],
    "word": ["text"],
    "ids": ["token_ids", "valid"],
}
OUTPUTS = ("part", "whole", "size", "said", "attention.0", "attention", "size.values")

words = st.sampled_from(["cab", "a", "c'a"]) | st.text(max_size=9)
numbers = st.floats(width=32) | st.integers(-(2**70), 2**70) | st.sampled_from([0, 1, 0.5, 3e38])


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Whole, or damaged."""
    content = base64.b64decode(draw(st.sampled_from(FILES)))
    if draw(st.booleans()):
        place = draw(st.integers(0, len(content)))
        content = content[:place] + draw(st.binary(max_size=9)) + content[place + 3 :]
    return content


def elements(name: str, small: bool) -> st.SearchStrategy[Any]:
    if name == "vectors":
        return st.floats(-9, 9, width=32) if small else numbers
    if name in ("edges", "token_ids"):
        return st.integers(0, 1) if small else st.integers(-2, 20)
    return st.booleans() if name == "valid" and not small else st.just(True)


@st.composite
def tensors(
    draw: st.DrawFn, name: str, batch: int, length: int, width: int
) -> tuple[dict[str, Any], bytes]:
    shape = {1: [batch], 2: [batch, length], 3: [batch, length, 2 if name == "edges" else width]}
    size = shape[SHAPES[name]]
    if draw(st.integers(0, 9)) == 0:
        size = draw(st.lists(st.integers(0, 7), max_size=4))
    told: dict[str, Any] = {"name": name, "shape": size, "datatype": DATATYPES.get(name, "BYTES")}
    count, binary = math.prod(size), draw(st.booleans())
    if name not in DATATYPES:
        given = words if name == "text" else files()
        content = data = draw(st.lists(given, min_size=count, max_size=count))
        if name != "text":
            data = [base64.b64encode(each).decode() for each in content]
    else:
        small = draw(st.booleans())
        values = elements(name, small or binary)
        data = draw(st.lists(values, min_size=count, max_size=count))
        content = data
    if not binary:
        return told | {"data": data}, b""
    packed = pack(told["datatype"], content)
    if name == "vectors" and packed and draw(st.booleans()):
        packed = draw(st.binary(min_size=4, max_size=4)) + packed[4:]
    return told | {"parameters": {"binary_data_size": len(packed)}}, packed


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, bytes, dict[str, str]]:
    name = draw(st.sampled_from([*MODALITIES]))
    names = draw(st.sampled_from([WAYS[name], WAYS[name], *WAYS.values()]))
    batch, length = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    widths = [getattr(MODALITIES[name], "width", 5), 5, 1]
    width = draw(st.sampled_from(widths))
    drawn = [draw(tensors(each, batch, length, width)) for each in names]
    head: dict[str, Any] = {"inputs": [told for told, _ in drawn]}
    if draw(st.booleans()):
        output = st.sampled_from(OUTPUTS).map(lambda each: {"name": each})
        head["outputs"] = draw(st.lists(output, max_size=3))
    told = json.dumps(head).encode()
    content = told + b"".join(content for _, content in drawn)
    return f"/v2/models/{name}/infer", content, {LENGTH: str(len(told))}


@MANY
@given(request=requests())
def test_requests_of_every_modality(sources, request: tuple[str, bytes, dict[str, str]]) -> None:
    path, content, headers = request
    answered_or_refused(sources, content, headers, path)


@MANY
@given(name=st.sampled_from(["sound", "image"]), file=files())
def test_damaged_files(sources, name: str, file: bytes) -> None:
    kind = {"sound": "audio", "image": "image"}[name]
    packed = pack("BYTES", [file])
    parameters = {"binary_data_size": len(packed)}
    inputs = [{"name": kind, "shape": [1], "datatype": "BYTES", "parameters": parameters}]
    told = json.dumps({"inputs": inputs}).encode()
    path = f"/v2/models/{name}/infer"
    answered_or_refused(sources, told + packed, {LENGTH: str(len(told))}, path)
