"""deploy/kubernetes, as kubectl builds it, alone and with its components."""

import os
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from tests.deploy.tools import DEPLOY, USER, Tools, end_s, read_settings
from tests.pages import ROOT, blocks
from tests.service.process import request as ask

FOLDER = DEPLOY / "kubernetes"
COMPONENTS = ("gpu", "keys", "models")
CHOICES = ((), *((name,) for name in COMPONENTS), COMPONENTS)
PROBES = {
    "startupProbe": "/health/started",
    "livenessProbe": "/health/live",
    "readinessProbe": "/health/ready",
}


@pytest.fixture(scope="module", params=CHOICES, ids="-".join)
def built(
    tools: Tools, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> SimpleNamespace:
    """What is built of the base and some components.

    Attributes: components, their names; objects; kinds, each object by its kind; pod, container,
    environment.
    """
    folder = tmp_path_factory.mktemp("own")
    here = os.path.relpath(FOLDER, folder)
    kustomization = {
        "resources": [f"{here}/base"],
        "components": [f"{here}/{name}" for name in request.param],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    objects = tools.kustomize(folder)
    kinds = {one["kind"]: one for one in objects}
    assert len(kinds) == len(objects)
    pod = kinds["Deployment"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    (source,) = container["envFrom"]
    assert source["configMapRef"]["name"] == kinds["ConfigMap"]["metadata"]["name"]
    return SimpleNamespace(
        components=request.param,
        objects=objects,
        kinds=kinds,
        pod=pod,
        container=container,
        environment=kinds["ConfigMap"]["data"],
    )


def test_kubernetes_knows_every_member(built, tools, tmp_path) -> None:
    tools.validate(built.objects, tmp_path / "objects.yaml")


def test_a_member_that_kubernetes_does_not_know_would_be_seen(tools, tmp_path) -> None:
    objects = tools.kustomize(FOLDER / "base")
    (policy,) = (one for one in objects if one["kind"] == "NetworkPolicy")
    policy["spec"]["podSelectors"] = policy["spec"].pop("podSelector")
    with pytest.raises(AssertionError, match="podSelectors"):
        tools.validate(objects, tmp_path / "objects.yaml")


def test_what_selects_pods_selects_these(built) -> None:
    labels = built.pod["metadata"]["labels"]
    specs = {kind: one["spec"] for kind, one in built.kinds.items() if "spec" in one}
    selectors = [
        specs["Deployment"]["selector"]["matchLabels"],
        specs["Service"]["selector"],
        specs["PodDisruptionBudget"]["selector"]["matchLabels"],
        specs["NetworkPolicy"]["podSelector"]["matchLabels"],
    ]
    for spread in built.pod["spec"]["topologySpreadConstraints"]:
        selectors.append(spread["labelSelector"]["matchLabels"])
    assert len(selectors) == 6
    for selector in selectors:
        assert selector and selector.items() <= labels.items()


def test_settings_are_settings_and_the_end_has_time(built, monkeypatch) -> None:
    settings = read_settings(built.environment, monkeypatch)
    pod = built.pod["spec"]
    assert pod["terminationGracePeriodSeconds"] >= end_s(settings)
    assert settings.shutdown_delay_s > 0  # a balancer learns of the end by it
    assert pod["enableServiceLinks"] is False  # a service `regard` would set REGARD_PORT
    (port,) = built.container["ports"]
    assert port["containerPort"] == settings.port


def test_ports_are_named_as_they_are_asked_for(built) -> None:
    (port,) = built.container["ports"]
    (served,) = built.kinds["Service"]["spec"]["ports"]
    (rule,) = built.kinds["NetworkPolicy"]["spec"]["ingress"]
    probed = [built.container[name]["httpGet"]["port"] for name in PROBES]
    assert {port["name"]} == {served["targetPort"], *probed, *(p["port"] for p in rule["ports"])}


def test_the_probes_and_prometheus_ask_for_paths_that_answer(built, url) -> None:
    notes = built.pod["metadata"]["annotations"]
    assert notes["prometheus.io/scrape"] == "true"
    assert int(notes["prometheus.io/port"]) == built.container["ports"][0]["containerPort"]
    for name, path in (PROBES | {"prometheus": notes["prometheus.io/path"]}).items():
        if name in PROBES:
            assert built.container[name]["httpGet"]["path"] == path
        assert ask("GET", url + path).status_code == 200, path


def test_a_pod_may_do_no_more_than_it_must(built) -> None:
    pod, container = built.pod["spec"], built.container
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert built.kinds["NetworkPolicy"]["spec"]["egress"] == []
    writable = [one["mountPath"] for one in container["volumeMounts"] if not one.get("readOnly")]
    assert writable == ["/tmp"]
    assert {one["name"] for one in container["volumeMounts"]} == {v["name"] for v in pod["volumes"]}


def test_threads_fit_the_cpus_and_the_autoscaler_has_something_to_divide_by(built) -> None:
    resources = built.container["resources"]
    assert resources["requests"]["cpu"] == resources["limits"]["cpu"]
    assert int(resources["limits"]["cpu"]) > 0
    assert {"memory"} <= resources["limits"].keys() & resources["requests"].keys()


def test_an_update_takes_no_pod_away_before_another_is_ready(built) -> None:
    deployment = built.kinds["Deployment"]["spec"]
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert "replicas" not in deployment  # or each `apply` would undo what the autoscaler did
    assert built.kinds["HorizontalPodAutoscaler"]["spec"]["minReplicas"] >= 2


def test_the_autoscaler_reads_what_the_adapter_makes_of_a_metric_that_there_is(built, url) -> None:
    scaler = built.kinds["HorizontalPodAutoscaler"]["spec"]
    assert scaler["scaleTargetRef"] == {
        "apiVersion": built.kinds["Deployment"]["apiVersion"],
        "kind": "Deployment",
        "name": built.kinds["Deployment"]["metadata"]["name"],
    }
    (metric,) = [
        one["pods"]["metric"]["name"] for one in scaler["metrics"] if one["type"] == "Pods"
    ]
    adapter = yaml.safe_load((FOLDER / "prometheus-adapter.yaml").read_text())
    (rule,) = adapter["rules"]["custom"]
    assert rule["seriesQuery"].partition("{")[0] == metric
    assert f"\n# TYPE {metric} gauge\n" in ask("GET", f"{url}/metrics").text


def test_components_add_what_they_say(built, monkeypatch) -> None:
    settings = read_settings(built.environment, monkeypatch)
    mounts = {one["mountPath"]: one["name"] for one in built.container["volumeMounts"]}
    volumes = {one["name"]: one for one in built.pod["spec"]["volumes"]}
    image = f"regard:{version('regard')}"
    if "gpu" in built.components:
        image += "-gpu"
        assert built.container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert built.container["image"] == image
    assert (settings.api_keys_file is not None) == ("keys" in built.components)
    if "keys" in built.components:
        assert volumes[mounts[str(settings.api_keys_file.parent)]]["secret"] == {
            "secretName": "regard-keys"
        }
    assert ("PersistentVolumeClaim" in built.kinds) == ("models" in built.components)
    if "models" in built.components:
        claim = built.kinds["PersistentVolumeClaim"]["metadata"]["name"]
        assert volumes[mounts["/models"]]["persistentVolumeClaim"]["claimName"] == claim


def test_the_kustomization_of_the_docs_builds(tools: Tools, tmp_path: Path) -> None:
    page = ROOT / "docs" / "deploy.md"
    (shown,) = (
        block for kind, block in blocks(page) if kind == "yaml" and "kind: Kustomization" in block
    )
    here = os.path.relpath(FOLDER, tmp_path)
    (tmp_path / "kustomization.yaml").write_text(shown.replace("regard/deploy/kubernetes", here))
    objects = tools.kustomize(tmp_path)
    tools.validate(objects, tmp_path / "objects.yaml")
    (deployment,) = (one for one in objects if one["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"].startswith("registry.example.com/regard:")
    assert {one["metadata"]["namespace"] for one in objects} == {"regard"}
