"""The OpenAPI document tells the truth: a machine that believes it is not disappointed."""

from collections.abc import Iterator

import jsonschema_rs
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from pydantic import TypeAdapter
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from service.answers import Answer, Models, Problem
from service.app import create_app
from service.problems import PROBLEMS
from service.settings import Settings
from tests.pages import same
from tests.service.examples import Stage

NOT_PROMISED = [
    # A schema cannot say that " " has no word in it, or how many layers each model has.
    checks.positive_data_acceptance,
    # Nobody can keep a deadline of a nanosecond: that is a 504. A 500 is looked for below.
    not_a_server_error,
]

DOCUMENT = create_app(Settings(), load=False).openapi()
MODEL, VERSION = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"
REPOSITORY = "/v2/repository/models/{model}"
ASKED = ["/v1/predict", "/v1/label", "/v1/classify", "/v1/transcribe", "/v1/attention"]
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


def operations(document: dict) -> dict[str, dict]:
    """By what a request begins with, as "GET /v1/models"."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[Stage]:
    """What answers the examples."""
    made = Stage(tmp_path_factory.mktemp("stage"))
    yield made
    made.close()


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
    assert response.status_code != 500, response.text
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
    assert client.get("/docs").status_code == 200


def test_every_field_and_parameter_is_described() -> None:
    document = DOCUMENT
    for name, schema in document["components"]["schemas"].items():
        assert schema["description"], name
        for field, described in schema.get("properties", {}).items():
            assert "$ref" in described or described["description"], f"{name}.{field}"
    for operation in operations(document).values():
        for parameter in operation.get("parameters", []):
            assert parameter["description"], parameter


@pytest.mark.parametrize("operation", operations(DOCUMENT))
def test_every_example_is_answered_as_shown(stage: Stage, operation: str) -> None:
    responses = operations(DOCUMENT)[operation]["responses"]
    assert {"200", "431"} <= set(responses)
    for status, response in responses.items():
        for media, content in response["content"].items():
            if content["schema"].get("format") == "binary":
                continue
            assert content["examples"], f"{status} {media}"
            schema = content["schema"] | {"components": DOCUMENT["components"]}
            for example in content["examples"].values():
                told = stage.ask(operation, example["x-request"])
                assert (told["status"], told["type"]) == (int(status), media)
                assert same(told["answer"], example["value"]), told["answer"]
                jsonschema_rs.validate(schema, example["value"])
                jsonschema_rs.validate(schema, told["answer"])


def test_every_sort_of_problem_has_an_example() -> None:
    shown = set()
    for operation in operations(DOCUMENT).values():
        for status, response in operation["responses"].items():
            for content in response["content"].values():
                if status != "200":
                    shown |= {example["value"]["type"] for example in content["examples"].values()}
    unshown = {"body-incomplete"}  # who goes away sees no answer
    names = {sort.name for sort in PROBLEMS.values()}
    assert {f"urn:regard:{name}" for name in names - unshown} == shown


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
