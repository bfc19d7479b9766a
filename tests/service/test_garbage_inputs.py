"""Inputs of every modality by the hundred, right and wrong: answered, or refused with a reason.

Each is sent beside a right one, which is answered as if it were alone.
"""

import asyncio
import base64
import functools
import io
import json
from typing import Any

import pytest
import soundfile
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from PIL import Image

from tests.service.conftest import same
from tests.service.modalities import MODALITIES, RATE, cases

MANY = profile(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
PATHS = ("/v1/predict", "/v1/transcribe", "/v1/attention", "/v1/label", "/v1/classify")
PATIENCE_S = 60


def files() -> list[bytes]:
    """Of every format that is taken."""
    made = []
    for request, samples in cases("sound"):
        for form in ("FLAC", "OGG"):
            file = io.BytesIO()
            soundfile.write(file, samples, RATE, format=form)
            made.append(file.getvalue())
        made.append(base64.b64decode(request["audio"]))
    for request, greys in cases("image"):
        file = io.BytesIO()
        Image.fromarray(greys).save(file, "JPEG", progressive=True)
        made += [file.getvalue(), base64.b64decode(request["image"])]
    return made


FILES = files()
HUGE = [10**400, -(2**63), 2**64, 1e308, -3.5e38, float("nan"), float("inf"), -0.0]
numbers = st.floats(-9, 9) | st.integers(-9, 9) | st.sampled_from(HUGE)
junk = st.none() | st.booleans() | st.text(max_size=5) | numbers
anything = st.recursive(
    junk, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=5), one)
)


@st.composite
def file_texts(draw: st.DrawFn) -> str:
    """In base64; whole, cut, damaged, or with a base64 that is none."""
    content = bytearray(draw(st.sampled_from(FILES)))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(content)))
        content[place : place + draw(st.integers(0, 9))] = draw(st.binary(max_size=9))
    content = content[: draw(st.none() | st.integers(0, len(content)))]
    text = base64.b64encode(content).decode()
    if draw(st.integers(0, 3)) == 0:
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.text(max_size=3)) + text[place + 1 :]
    return text


@st.composite
def rows(draw: st.DrawFn) -> Any:
    """Of five numbers each; or not all of them, or of something else."""
    element = draw(st.sampled_from([st.floats(-9, 9), st.floats(-9, 9), numbers, junk]))
    width = draw(st.sampled_from([(5, 5), (5, 5), (5, 5), (0, 7)]))
    row = st.lists(element, min_size=width[0], max_size=width[1])
    return draw(st.lists(row | row | row | anything if draw(st.booleans()) else row, max_size=7))


edges = st.lists(st.lists(st.integers(0, 2), min_size=2, max_size=2), max_size=99)
strange_edges = st.lists(st.lists(st.integers(-2, 70) | junk, max_size=3), max_size=5)
inputs = st.one_of(
    st.fixed_dictionaries({"vectors": rows()}),
    st.fixed_dictionaries({"nodes": rows()}, optional={"edges": edges | strange_edges | anything}),
    st.fixed_dictionaries({"audio": file_texts() | anything}),
    st.fixed_dictionaries({"image": file_texts() | anything}),
    st.text("abc'\u2019 \ud83d", max_size=33) | st.text(max_size=40),
    st.fixed_dictionaries({"words": st.lists(junk, max_size=3)}),
    anything,
)
options = st.sampled_from(
    [{}, {}, {"attention": {}}, {"attention": {"kind": "rollout"}}, {"options": {"beam_width": 3}}]
)


def is_told(problem: dict[str, Any]) -> bool:
    """It says what is wrong, and where."""
    assert 400 <= problem["status"] < 500, problem
    assert problem["type"].startswith("urn:regard:")
    for fault in problem.get("errors", []):
        assert fault["message"]
        assert isinstance(fault["loc"], list)
    return bool(problem["title"] and problem["detail"])


@pytest.fixture(scope="module")
def ask(sources):
    """ask(path, body, model) -> what is answered to the body, sent beside a right input."""

    def right(name: str) -> dict[str, Any]:
        return {"model": name, "inputs": cases(name)[0][0]}

    @functools.cache
    def expected(name: str) -> Any:
        return sources.ask("/v1/predict", right(name))

    def ask(path: str, body: bytes, name: str, **headers: str) -> Any:
        async def both() -> Any:
            asked = sources.http.post(path, content=body, headers=headers)
            beside = sources.http.post("/v1/predict", json=right(name))
            return await asyncio.wait_for(asyncio.gather(asked, beside), PATIENCE_S)

        alone = expected(name)
        answer, beside = sources.run(both())
        assert same(beside.json(), alone)
        return answer

    return ask


@MANY
@given(
    path=st.sampled_from(PATHS),
    name=st.sampled_from([*MODALITIES]),
    given=inputs | st.lists(inputs, max_size=4),
    more=options,
)
def test_a_request_is_answered_or_refused(ask, path: str, name: str, given: Any, more: Any) -> None:
    body = json.dumps({"model": name, "inputs": given} | more).encode()
    answer = ask(path, body, name)
    assert answer.status_code == 200 or is_told(answer.json())


@MANY
@given(name=st.sampled_from([*MODALITIES]), lines=st.lists(inputs | junk, max_size=5), more=options)
def test_each_line_is_answered_or_refused(ask, name: str, lines: list[Any], more: Any) -> None:
    good = {"model": name, "inputs": cases(name)[0][0]}
    asked = [good, *({"model": name, "inputs": one} | more for one in lines), good]
    body = b"\n".join(json.dumps(one).encode() for one in asked)
    answer = ask("/v1/predict", body, name, **{"content-type": "application/x-ndjson"})
    first, *told, last = [json.loads(line) for line in answer.text.splitlines()]
    assert len(told) == len(lines)
    assert "results" in first
    assert same(first, last)
    for number, one in enumerate(told, 2):
        assert "results" in one or (is_told(one) and one["line"] == number)


@MANY
@given(name=st.sampled_from(["sound", "image"]), text=file_texts())
def test_a_file_is_answered_or_refused(ask, name: str, text: str) -> None:
    key = {"sound": "audio", "image": "image"}[name]
    answer = ask(PATHS[0], json.dumps({"model": name, "inputs": {key: text}}).encode(), name)
    assert answer.status_code == 200 or is_told(answer.json())
    data = [{"name": key, "datatype": "BYTES", "shape": [1], "data": [text]}]
    other = ask(f"/v2/models/{name}/infer", json.dumps({"inputs": data}).encode(), name)
    assert other.status_code == (200 if answer.status_code == 200 else 400)
