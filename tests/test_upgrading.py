"""What an older version wrote is read for ever: a bundle of each schema, and what it answered."""

import json
from pathlib import Path

import pytest

from service.settings import Settings
from tests.service.conftest import Client

BUNDLES = Path(__file__).parent / "bundles"
NEAR = {"fp32": 1e-4, "int8": 0.02}  # on another processor a rounding may fall to the other side


def kept(now: object, then: object, near: float) -> bool:
    """All that was there is there still; fields may have been added."""
    if isinstance(then, dict):
        return all(name in now and kept(now[name], then[name], near) for name in then)
    if isinstance(then, list):
        return len(now) == len(then) and all(
            kept(*pair, near) for pair in zip(now, then, strict=True)
        )
    return now == (pytest.approx(then, abs=near) if isinstance(then, float) else then)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("schema", ["schema_1", "schema_2"])
def test_a_bundle_of_every_schema_answers_as_it_did(schema: str, precision: str) -> None:
    recorded = json.loads((BUNDLES / f"{schema}.json").read_text("utf-8"))
    answered = recorded["answered"][precision]
    client = Client(Settings(bundles=BUNDLES / schema, precision=precision, threads=1))
    try:
        for (path, asked), then in zip(recorded["asked"], answered, strict=True):
            assert kept(client.ask(path, asked), then, NEAR[precision]), path
        for name, described in recorded["described"].items():
            assert kept(client.get(f"/v1/models/{name}").json(), described, 0)
    finally:
        client.close()


def test_an_answer_that_lacks_or_changes_something_would_be_found() -> None:
    then = {"results": [{"label": "a", "score": 0.5}], "model": "first"}
    assert kept(
        {"model": "first", "results": [{"score": 0.50001, "label": "a", "more": 1}]}, then, 1e-4
    )
    for now in (
        {"results": [{"label": "a", "score": 0.5}]},
        {"results": [], "model": "first"},
        {"results": [{"label": "b", "score": 0.5}], "model": "first"},
        {"results": [{"label": "a", "score": 0.6}], "model": "first"},
    ):
        assert not kept(now, then, 1e-4)
