"""What Prometheus reads."""

from prometheus_client.parser import text_string_to_metric_families


def read(client) -> dict[tuple[str, ...], float]:
    """Value by name and label values."""
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


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
    assert values["regard_model_info", "tiny", "fp32", "7"] == 1


def test_apps_do_not_share_their_counts(make_client) -> None:
    one, other = make_client(), make_client()
    one.ask("/v1/predict", {"inputs": "noon"})
    assert ("regard_requests_total", "/v1/predict", "200") not in read(other)
