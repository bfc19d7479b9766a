"""The OpenAPI document tells the truth: a machine that believes it is not disappointed."""

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from pydantic import TypeAdapter
from schemathesis.specs.openapi import checks

from service.answers import Answer, Models, Problem

NOT_PROMISED = [
    # A schema cannot say that " " has no word in it, or how many layers each model has.
    checks.positive_data_acceptance,
]


MODEL, VERSION = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"
REPOSITORY = "/v2/repository/models/{model}"
ASKED = ["/v1/predict", "/v1/label", "/v1/classify", "/v1/attention"]
FOREIGN = ["/hf/{model}", "/hf/{model}/{head}"]
NAMES = {"model": "tiny", "head": "intent", "version": "7"}
ASKED += [f"{MODEL}/infer", f"{VERSION}/infer", "/v2/repository/index"]
CHANGED = [("/v1/models/{name}", "PUT"), ("/v1/models/{name}", "DELETE")]
CHANGED += [(f"{REPOSITORY}/load", "POST"), (f"{REPOSITORY}/unload", "POST")]
READ = [
    *(path + end for path in (MODEL, VERSION) for end in ("", "/config", "/ready", "/stats")),
    *("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models", "/v2/models/stats"),
    "/v1/models",
    "/v1/models/{name}",
    "/health/live",
    "/health/started",
    "/health/ready",
    "/metrics",
]


@pytest.fixture(scope="session")
def schema(client) -> schemathesis.schemas.BaseSchema:
    """The document, as a generator of requests reads it."""
    return schemathesis.openapi.from_dict(client.get("/openapi.json").json())


def check(client, case: schemathesis.Case) -> None:
    """The answer to a generated request is as documented."""
    request = requests.Request(**case.as_transport_kwargs(base_url="http://test")).prepare()
    response = client.run(
        client.http.request(
            request.method, request.url, headers=request.headers, content=request.body
        )
    )
    case.validate_response(response, excluded_checks=NOT_PROMISED)


@pytest.mark.parametrize("mode", schemathesis.GenerationMode)
@pytest.mark.parametrize("path", ASKED + FOREIGN)
@profile(max_examples=40, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_generated_requests_are_answered_as_documented(
    client, schema, path: str, mode: schemathesis.GenerationMode, data: st.DataObject
) -> None:
    case = data.draw(schema[path]["POST"].as_strategy(generation_mode=mode))
    if mode is schemathesis.GenerationMode.POSITIVE:  # of a model that there is
        case.path_parameters = {name: NAMES[name] for name in case.path_parameters}
    check(client, case)


@pytest.mark.parametrize(("path", "method"), CHANGED)
@profile(max_examples=10)
@given(data=st.data())
def test_what_changes_models_is_as_documented(client, schema, path, method: str, data) -> None:
    check(client, data.draw(schema[path][method].as_strategy()))


@pytest.mark.parametrize("path", READ)
@profile(max_examples=10)
@given(data=st.data())
def test_what_is_read_is_as_documented(client, schema, path: str, data: st.DataObject) -> None:
    check(client, data.draw(schema[path]["GET"].as_strategy()))


def test_every_path_is_documented(client) -> None:
    document = client.get("/openapi.json").json()
    assert set(document["paths"]) == {*ASKED, *FOREIGN, *READ, *(path for path, _ in CHANGED)}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["description"], path
            assert {"200", "500"} <= set(operation["responses"]) or operation["responses"][
                "default"
            ]
    assert client.get("/docs").status_code == 200


def test_the_documented_example_works(client) -> None:
    document = client.get("/openapi.json").json()
    for path in ASKED:
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert client.ask(path.format(**NAMES), body["example"])
    for path in FOREIGN:
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert client.ask(path.format(**NAMES), body["example"])


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
