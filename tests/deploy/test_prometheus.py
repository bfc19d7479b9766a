"""Alerts and the dashboard, in a Prometheus that scrapes a service."""

import json
import math
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.deploy.tools import DEPLOY, Tools, run
from tests.pages import BUNDLES
from tests.service.process import PATIENCE_S, free_port

ALERTS = DEPLOY / "prometheus" / "alerts.yml"
CASES = Path(__file__).with_name("alerts.yml")
DASHBOARD = json.loads((DEPLOY / "grafana" / "regard.json").read_text("utf-8"))
TARGETS = {
    f"{panel['title']} {target['refId']}": target
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", ())
}


def query(prometheus: str, expression: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{prometheus}/api/v1/query", params={"query": expression}).json()
    assert answer["status"] == "success", answer
    return answer["data"]["result"]


@pytest.fixture(scope="module")
def prometheus(tools: Tools, url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one with the configuration of deploy/compose, but for place and pace."""
    folder = tmp_path_factory.mktemp("prometheus")
    config = yaml.safe_load((DEPLOY / "compose" / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [url.removeprefix("http://")]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (folder / "alerts.yml").write_text(ALERTS.read_text())
    address = f"127.0.0.1:{free_port()}"
    command = [tools.prometheus / "prometheus", f"--web.listen-address={address}"]
    command += ["--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as process,
    ):
        try:
            wait_until_ready(f"http://{address}", process)
            yield f"http://{address}"
        finally:
            process.terminate()


def wait_until_ready(prometheus: str, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < give_up:
        with suppress(httpx.ConnectError):
            if httpx.get(f"{prometheus}/-/ready").status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"Prometheus is not ready; exit code {process.returncode}")


@pytest.fixture(scope="module")
def shown(prometheus: str, url: str) -> dict[str, list[dict[str, Any]]]:
    """What each query of the dashboard finds, once all of them find something."""
    expressions = {
        name: target["expr"].replace("$__rate_interval", "3s").replace("$model", ".*")
        for name, target in TARGETS.items()
    }
    found: dict[str, list[dict[str, Any]]] = {}
    give_up = time.monotonic() + PATIENCE_S
    while missing := [name for name in expressions if not numbers(found.get(name, []))]:
        assert time.monotonic() < give_up, missing
        for text in ("play jazz", "rain in Paris", " "):
            httpx.post(f"{url}/v1/predict", json={"inputs": text})
        found |= {name: query(prometheus, expressions[name]) for name in missing}
    return found


def numbers(results: list[dict[str, Any]]) -> list[float]:
    values = (float(result["value"][1]) for result in results)
    return [value for value in values if not math.isnan(value)]


def test_prometheus_reads_the_configuration_and_the_rules(tools: Tools, tmp_path: Path) -> None:
    for file in (ALERTS, DEPLOY / "compose" / "prometheus.yml"):
        (tmp_path / file.name).write_text(file.read_text())
    said = run(tools.prometheus / "promtool", "check", "config", tmp_path / "prometheus.yml")
    assert f"{len(rules())} rules found" in said


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return group["rules"]


def test_every_alert_is_raised_when_it_must_and_not_before(tools: Tools, tmp_path: Path) -> None:
    cases = yaml.safe_load(CASES.read_text())
    cases["rule_files"] = [str(ALERTS)]
    asked = [test for case in cases["tests"] for test in case["alert_rule_test"]]
    for rule in rules():
        raised = [bool(one["exp_alerts"]) for one in asked if one["alertname"] == rule["alert"]]
        assert {True, False} <= set(raised), rule["alert"]
    (tmp_path / "cases.yml").write_text(yaml.safe_dump(cases))
    run(tools.prometheus / "promtool", "test", "rules", tmp_path / "cases.yml")


def test_every_panel_shows_something(shown) -> None:
    for name, results in shown.items():
        assert all(number >= 0 for number in numbers(results)), name
        labels = set(re.findall(r"{{(\w+)}}", TARGETS[name]["legendFormat"]))
        for result in results:
            assert labels <= result["metric"].keys(), name


def test_the_panels_agree_with_what_was_asked(shown) -> None:
    statuses = {result["metric"]["status"] for result in shown["Requests by status A"]}
    assert {"200", "422"} <= statuses
    (problem,) = shown["Refused and failed, by reason A"]
    assert problem["metric"]["type"] == "invalid-input"
    served = {result["metric"]["model"] for result in shown["Models served A"]}
    assert served == set(BUNDLES)


def test_no_alert_is_raised_for_a_service_that_is_well(prometheus, shown) -> None:
    groups = httpx.get(f"{prometheus}/api/v1/rules").json()["data"]["groups"]
    evaluated = {rule["name"]: rule for group in groups for rule in group["rules"]}
    assert evaluated.keys() == {rule["alert"] for rule in rules()}
    for name, rule in evaluated.items():
        assert (rule["health"], rule["state"]) == ("ok", "inactive"), (name, rule)


def test_the_autoscaler_s_query_gives_each_process_one_number(prometheus, shown) -> None:
    adapter = yaml.safe_load((DEPLOY / "kubernetes" / "prometheus-adapter.yaml").read_text())
    (rule,) = adapter["rules"]["custom"]
    expression = rule["metricsQuery"]
    for name, value in {
        "Series": rule["seriesQuery"].partition("{")[0],
        "LabelMatchers": 'job="regard"',
        "GroupBy": "instance",  # the adapter puts the pod's label here
    }.items():
        expression = expression.replace(f"<<.{name}>>", value)
    (result,) = query(prometheus, expression)
    assert numbers([result])[0] >= 0
