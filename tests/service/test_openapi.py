"""The OpenAPI document tells the truth: a machine that believes it is not disappointed."""

from types import SimpleNamespace

import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from pydantic import TypeAdapter
from schemathesis.specs.openapi import checks

from service.answers import Answer, Models, Problem
from service.app import create_app
from service.settings import Settings

NOT_PROMISED = [
    # A schema cannot say that " " has no word in it, or how many layers each model has.
    checks.positive_data_acceptance,
]


PATHS = {
    "POST": ["/v1/predict", "/v1/label", "/v1/classify", "/v1/attention"],
    "GET": ["/v1/models", "/v1/models/{name}", "/health/live", "/health/ready", "/metrics"],
}
OPERATIONS = [(path, method) for method, paths in PATHS.items() for path in paths]


@pytest.fixture(scope="session")
def schema(tiny: SimpleNamespace) -> schemathesis.schemas.BaseSchema:
    """The document, as a generator of requests reads it; its app is its own."""
    settings = Settings(bundles=tiny.folder, default_model="tiny", threads=1)
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(settings))


@pytest.mark.parametrize("mode", schemathesis.GenerationMode)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
@profile(max_examples=40, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_generated_requests_are_answered_as_documented(
    schema, path: str, method: str, mode: schemathesis.GenerationMode, data: st.DataObject
) -> None:
    operation = schema[path][method]
    if mode is schemathesis.GenerationMode.NEGATIVE and path != "/v1/models/{name}" and method == "GET":
        pytest.skip("takes nothing that could be wrong")
    case = data.draw(operation.as_strategy(generation_mode=mode))
    case.call_and_validate(excluded_checks=NOT_PROMISED)


def test_every_path_is_documented(client) -> None:
    document = client.get("/openapi.json").json()
    assert sorted(document["paths"]) == sorted(path for path, _ in OPERATIONS)
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["description"], path
            assert {"200", "500"} <= set(operation["responses"]) or operation["responses"][
                "default"
            ]
    assert client.get("/docs").status_code == 200


def test_the_documented_example_works(client) -> None:
    document = client.get("/openapi.json").json()
    for path in ("predict", "label", "classify", "attention"):
        operation = document["paths"][f"/v1/{path}"]["post"]
        example = operation["requestBody"]["content"]["application/json"]["example"]
        assert client.ask(f"/v1/{path}", example)


def test_answers_are_what_the_schemas_say(client) -> None:
    everything = {
        "inputs": ["book a table in new york", {"words": ["at", "noon"]}],
        "options": {"top_k": 5},
        "attention": {"layers": "all", "heads": "mean"},
    }
    answer = TypeAdapter(Answer).validate_json(client.post("/v1/predict", everything).content)
    assert all(len(result) == 4 for result in answer["results"])
    TypeAdapter(Models).validate_json(client.get("/v1/models").content)
    TypeAdapter(Problem).validate_json(client.post("/v1/predict", {"inputs": []}).content)
