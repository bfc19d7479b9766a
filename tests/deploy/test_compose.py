"""deploy/compose, as Compose reads it."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.deploy.tools import DEPLOY, USER, Tools, end_s, read_settings

FOLDER = DEPLOY / "compose"
OVERRIDES = ((), ("keys",), ("gpu",), ("keys", "gpu"))


def seconds(duration: str) -> int:
    """Compose writes 1m10s."""
    minutes, rest = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", duration).groups(default="0")
    return 60 * int(minutes) + int(rest)


@pytest.fixture(scope="module", params=OVERRIDES, ids="-".join)
def services(tools: Tools, request: pytest.FixtureRequest) -> dict[str, Any]:
    files = ["compose", *request.param]
    return tools.compose(*(FOLDER / f"{file}.yaml" for file in files))["services"]


def test_every_container_is_closed_up(services) -> None:
    assert services.keys() == {"regard", "prometheus", "grafana"}
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert int(service["user"].partition(":")[0]) > 0
        assert service["cpus"] and service["mem_limit"] and service["pids_limit"]
    assert services["regard"]["user"] == f"{USER}:{USER}"
    assert float(services["regard"]["cpus"]).is_integer()


def test_other_machines_reach_no_port_unless_keys_are_set(services) -> None:
    for name, service in services.items():
        (port,) = service["ports"]
        keyed = "REGARD_API_KEYS_FILE" in service.get("environment", {})
        assert port.get("host_ip") == (None if keyed else "127.0.0.1"), name


def test_the_settings_are_settings_and_the_end_has_time(services, monkeypatch) -> None:
    service = services["regard"]
    settings = read_settings(service["environment"], monkeypatch)
    assert service["ports"][0]["target"] == settings.port
    assert seconds(service["stop_grace_period"]) >= end_s(settings)
    if settings.api_keys_file:
        assert settings.api_keys_file == Path("/run/secrets") / service["secrets"][0]["source"]


def test_every_file_that_is_mounted_is_there(services) -> None:
    for service in services.values():
        for volume in service["volumes"]:
            assert volume["type"] == "volume" or Path(volume["source"]).exists(), volume
            assert volume["type"] == "volume" or volume["read_only"]


def test_other_images_have_exact_versions(services) -> None:
    for name in ("prometheus", "grafana"):
        assert re.search(r":v?\d+\.\d+\.\d+$", services[name]["image"])


def test_prometheus_asks_regard_and_grafana_asks_prometheus(services) -> None:
    def address(host: str) -> str:
        return f"{host}:{services[host]['ports'][0]['target']}"

    scraping = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    (job,) = scraping["scrape_configs"]
    assert job["static_configs"] == [{"targets": [address("regard")]}]
    provisioned = yaml.safe_load((FOLDER / "grafana/datasource.yml").read_text())
    (source,) = provisioned["datasources"]
    assert urlsplit(source["url"]).netloc == address("prometheus")
    assert source["jsonData"]["timeInterval"] == scraping["global"]["scrape_interval"]


def test_grafana_finds_the_dashboard_and_shows_it_first(services) -> None:
    grafana = services["grafana"]
    mounted = {volume["target"]: volume["source"] for volume in grafana["volumes"]}
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert json.loads(Path(mounted[home]).read_text("utf-8"))["title"] == "Regard"
    (provider,) = yaml.safe_load((FOLDER / "grafana/dashboard.yml").read_text())["providers"]
    assert Path(provider["options"]["path"]) == Path(home).parent
    for kind, file in (("datasources", "datasource"), ("dashboards", "dashboard")):
        provisioning = f"/etc/grafana/provisioning/{kind}/regard.yml"
        assert mounted[provisioning] == str(FOLDER / f"grafana/{file}.yml")
