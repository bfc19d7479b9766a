"""What Prometheus reads."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.telemetry import REASONS, STAGES, Metrics
from tests.service.conftest import MAX_LENGTH


def parse(page: str) -> dict[tuple[str, ...], float]:
    """Value by name and label values."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def read(client) -> dict[tuple[str, ...], float]:
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    return parse(response.text)


def test_requests_batches_and_problems_are_counted(make_client) -> None:
    client = make_client()
    client.ask("/v1/predict", {"inputs": ["noon", "noon table"]})
    client.ask("/v1/predict", {"inputs": "noon"})
    client.post("/v1/label", {"inputs": [""]})
    client.get("/nowhere")
    values = read(client)
    assert values["regard_requests_total", "/v1/predict", "200"] == 2
    assert values["regard_requests_total", "/v1/label", "422"] == 1
    assert values["regard_requests_total", "other", "404"] == 1
    assert values["regard_problems_total", "invalid-input"] == 1
    assert values["regard_request_seconds_count", "/v1/predict"] == 2
    assert values["regard_batch_inputs_count", "tiny"] == 2
    assert values["regard_batch_inputs_sum", "tiny"] == 3
    assert values["regard_run_seconds_count", "tiny"] == 2
    positions = client.ask("/v1/predict", {"inputs": ["noon", "noon table", "noon"]})
    assert values["regard_positions_total", "tiny"] == positions["usage"]["positions"]
    assert values["regard_padding_positions_total", "tiny"] == 1
    assert values["regard_queue_positions", "tiny"] == 0
    assert values["regard_model_info", "cpu", "tiny", "fp32", "7"] == 1


def test_stages_are_those_of_the_answers(make_client) -> None:
    client = make_client()
    told = dict.fromkeys(STAGES, 0.0)
    for _ in range(5):
        response = client.post("/v1/predict", {"inputs": "noon"})
        for part in response.headers["server-timing"].split(", "):
            name, milliseconds = part.split(";dur=")
            if name in told:
                told[name] += float(milliseconds) / 1000
    client.get("/v1/models")
    values = read(client)
    for stage in STAGES:
        assert values["regard_stage_seconds_count", stage] == 5
        assert values["regard_stage_seconds_sum", stage] == pytest.approx(told[stage], abs=5e-5)
    total = values["regard_request_seconds_sum", "/v1/predict"]
    assert sum(values["regard_stage_seconds_sum", stage] for stage in STAGES) <= total


def test_of_a_refused_request_the_stages_it_reached_are_counted(make_client) -> None:
    client = make_client()
    client.post("/v1/predict", {"inputs": "noon"}, **{"x-request-timeout": "0.000001"})
    values = read(client)
    counts = [values["regard_stage_seconds_count", stage] for stage in STAGES]
    assert counts == [1, 0, 0, 0]
    assert values["regard_problems_total", "deadline-exceeded"] == 1
    assert values["regard_requests_total", "/v1/predict", "504"] == 1


def test_batches_are_counted_by_why_they_held_no_more(make_client) -> None:
    client = make_client(max_batch_positions=MAX_LENGTH)
    client.ask("/v1/predict", {"inputs": "noon"})
    texts = ["noon " * (MAX_LENGTH - 2)] * 3
    client.ask("/v1/predict", {"inputs": texts})
    values = read(client)
    assert values["regard_batches_total", "tiny", "all"] == 2
    assert values["regard_batches_total", "tiny", "full"] == 2
    assert values["regard_batches_total", "tiny", "lengths"] == 0
    assert values["regard_run_seconds_count", "tiny"] == 4


def test_every_metric_of_a_model_is_there_before_it_is_asked(make_client) -> None:
    values = read(make_client())
    for model in ("tagger", "tiny"):
        assert [values["regard_batches_total", model, reason] for reason in REASONS] == [0, 0, 0]
        assert values["regard_queue_positions", model] == 0
        assert values["regard_queue_seconds", model] == 0
        assert values["regard_batch_inputs_count", model] == 0
        assert 0 < values["regard_model_load_seconds", model] < 60


def test_a_model_tells_what_waits_and_what_ran() -> None:
    metrics = Metrics()
    model = metrics.add_model("some", load_s=1.5)
    model.waits(70, 0.25)
    model.ran([5, 7, 6], 0.004, "lengths")
    model.ran([9], 0.006, "full")
    values = parse(metrics.page().decode())
    assert values["regard_model_load_seconds", "some"] == 1.5
    assert values["regard_queue_positions", "some"] == 70
    assert values["regard_queue_seconds", "some"] == 0.25
    assert values["regard_batches_total", "some", "lengths"] == 1
    assert values["regard_batches_total", "some", "full"] == 1
    assert values["regard_batch_inputs_sum", "some"] == 4
    assert values["regard_positions_total", "some"] == 27
    assert values["regard_padding_positions_total", "some"] == 3
    assert values["regard_run_seconds_sum", "some"] == pytest.approx(0.01)
    assert values["regard_run_seconds_bucket", "0.005", "some"] == 1


def test_the_process_tells_its_memory(client) -> None:
    resident = read(client)[("process_resident_memory_bytes",)]
    assert 1e7 < resident < 1e11


def test_unknown_paths_do_not_make_metrics_of_their_own(make_client) -> None:
    client = make_client()
    for index in range(20):
        client.get(f"/nowhere/{index}")
        client.get(f"/v1/models/{index}")
    values = read(client)
    assert values["regard_requests_total", "other", "404"] == 20
    assert values["regard_requests_total", "/v1/models/{name}", "404"] == 20
    assert values["regard_problems_total", "not-found"] == 20
    assert values["regard_problems_total", "unknown-model"] == 20


def test_apps_do_not_share_their_counts(make_client) -> None:
    one, other = make_client(), make_client()
    one.ask("/v1/predict", {"inputs": "noon"})
    assert ("regard_requests_total", "/v1/predict", "200") not in read(other)


def test_the_rest_of_what_an_operator_asks_about_is_there(make_client) -> None:
    client = make_client(max_body_bytes=1000)
    client.ask("/v1/predict", {"inputs": ["noon", "noon table"]})
    client.post("/v1/predict", {"inputs": "noon " * 100})  # refused, never cut
    client.post("/v1/predict", b" " * 2000)
    client.post("/v1/predict", {"inputs": "noon"}, **{"x-request-timeout": "0.000001"})
    values = read(client)
    for stage in STAGES:
        reached = 2 if stage == "preprocess" else 1  # the one that was too late got no further
        assert values["regard_stage_seconds_count", stage] == reached
    assert sum(values["regard_batches_total", "tiny", reason] for reason in REASONS) == 1
    assert values["regard_queue_seconds", "tiny"] == 0
    assert values["regard_model_load_seconds", "tiny"] > 0
    assert values["regard_problems_total", "invalid-input"] == 1
    assert values["regard_problems_total", "body-too-large"] == 1
    assert values["regard_problems_total", "deadline-exceeded"] == 1
    assert values[("regard_resident_bytes",)] == pytest.approx(
        values[("process_resident_memory_bytes",)], rel=0.1
    )


PANELS = Path(__file__).parents[2] / "deploy" / "grafana" / "regard.json"
SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}


def test_the_dashboard_shows_every_metric_and_no_other(client) -> None:
    dashboard = json.loads(PANELS.read_text("utf-8"))
    assert dashboard["schemaVersion"] >= 41
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert variables["datasource"]["query"] == "prometheus"
    asked: list[str] = [variables["model"]["query"]["query"]]
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
            assert panel["title"]
            asked += [target["expr"] for target in panel["targets"]]
    shown = set(re.findall(r"\b(?:regard|process)_\w+", " ".join(asked)))
    families = list(text_string_to_metric_families(client.get("/metrics").text))
    exported = {
        family.name: {family.name + suffix for suffix in SUFFIXES[family.type]}
        for family in families
        if family.name.startswith("regard_")
    }
    assert shown <= set().union(*exported.values())
    for name, samples in exported.items():
        assert samples & shown, f"{name} is on no panel"


def test_the_dashboard_s_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(PANELS.read_text("utf-8"))["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not taken & cells
        taken |= cells
