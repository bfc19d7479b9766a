"""deploy/kserve, read by kserve's own classes; the service run as its runtime would run it."""

import json
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.tools import DEPLOY, USER, Tools, end_s, read_settings, run
from tests.environments import install
from tests.service.process import ROOT, request, serving

FOLDER = DEPLOY / "kserve"
RUNTIME = FOLDER / "runtime.yaml"
SERVICES = sorted(FOLDER.glob("assistant-*.yaml"))
MODELS = "/mnt/models"  # where KServe lays what it has fetched
PORT = 8080  # where it asks, unless told
SCRIPT = Path(__file__).with_name("kserve_script.py")


def read(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text("utf-8"))


@pytest.fixture(scope="module")
def container() -> dict[str, Any]:
    (container,) = read(RUNTIME)["spec"]["containers"]
    return container


@pytest.fixture(scope="module")
def environment(container: dict[str, Any]) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in container["env"]}


@pytest.fixture(scope="module")
def url(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service with the runtime's settings, but for place and port."""
    models = tmp_path_factory.mktemp("mnt") / "models"  # as KServe lays out one storageUri
    shutil.copytree(ROOT / "bundles" / "assistant", models)
    settings = {
        name.removeprefix("REGARD_").lower(): value
        for name, value in environment.items()
        if name not in ("REGARD_BUNDLES", "REGARD_PORT")
    }
    with serving(models, **settings) as (_, address):
        yield address


@pytest.fixture(scope="module")
def found(
    url: str, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> dict[str, Any]:
    """What kserve makes of the service, of our files, and of one that is wrong."""
    wrong = read(RUNTIME)
    wrong["spec"]["protocolVersion"] = wrong["spec"].pop("protocolVersions")
    wrong["spec"]["supportedModelFormats"][0]["autoSelect"] = "yes"
    file = tmp_path_factory.mktemp("wrong") / "wrong.yaml"
    file.write_text(yaml.safe_dump(wrong))
    python = install(pytestconfig.cache, ROOT / "tests/service/oip/kserve.txt") / "python"
    return json.loads(run(python, SCRIPT, url, "assistant", "play jazz", RUNTIME, *SERVICES, file))


def test_kserve_knows_every_member(found) -> None:
    *faults, expected = found["faults"].values()
    assert faults == [[]] * 3
    assert sorted(expected) == [
        "spec.protocolVersion is unknown",
        "spec.supportedModelFormats.0.autoSelect is no bool",
    ]


def test_kubernetes_knows_the_rest(tools: Tools, tmp_path: Path) -> None:
    spec = read(RUNTIME)["spec"]
    pod = {name: spec[name] for name in ("containers", "volumes")}
    named = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "runtime"}, "spec": pod}
    tools.validate([named], tmp_path / "pod.yaml")


def test_a_service_asks_for_what_the_runtime_has() -> None:
    runtime = read(RUNTIME)
    (format,) = runtime["spec"]["supportedModelFormats"]
    assert len(SERVICES) == 2
    for file in SERVICES:
        service = read(file)
        model = service["spec"]["predictor"]["model"]
        assert model["runtime"] == runtime["metadata"]["name"]
        assert model["modelFormat"]["name"] == format["name"]
        assert [model["protocolVersion"]] == runtime["spec"]["protocolVersions"]
        bundle = ROOT / "bundles" / model["storageUri"].rpartition("/")[2]
        assert read(bundle / "manifest.json")["name"] == service["metadata"]["name"]


def test_the_settings_are_settings_and_the_end_has_time(environment, monkeypatch) -> None:
    settings = read_settings(environment, monkeypatch)
    assert (settings.port, environment["REGARD_BUNDLES"]) == (PORT, MODELS)
    assert settings.shutdown_delay_s > 0
    for file in SERVICES:
        predictor = read(file)["spec"]["predictor"]
        assert predictor["terminationGracePeriodSeconds"] >= end_s(settings)


def test_the_container_is_the_one_that_kserve_looks_for_and_is_closed_up(container) -> None:
    assert container["name"] == "kserve-container"
    assert container["image"] == f"regard:{version('regard')}"
    assert container["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
    assert int(container["resources"]["limits"]["cpu"]) > 0


def test_a_client_of_kserve_is_answered(found) -> None:
    assert found["answer"] == {
        "live": True,
        "ready": True,
        "model_ready": True,
        "intent": ["PlayMusic"],
    }


def test_the_probes_and_prometheus_ask_for_paths_that_answer(container, url) -> None:
    notes = read(RUNTIME)["spec"]["annotations"]
    paths = [notes["prometheus.kserve.io/path"]]
    ports = [int(notes["prometheus.kserve.io/port"])]
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        paths.append(container[name]["httpGet"]["path"])
        ports.append(container[name]["httpGet"]["port"])
    assert set(ports) == {PORT}
    for path in paths:
        assert request("GET", url + path).status_code == 200, path
