"""tritonclient, as it is installed, sync and aio."""

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from tritonclient import http
from tritonclient.http import aio
from tritonclient.utils import InferenceServerException

from tests.service.conftest import HEADS, LAYERS, TEXTS, torch_outputs
from tests.service.oip.conftest import KEY

ADMIN = {"Authorization": f"Bearer {KEY}"}


def tensor(name: str, values: np.ndarray, datatype: str, binary: bool = True) -> http.InferInput:
    made = http.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values, binary_data=binary)
    return made


def text(*texts: str, binary: bool = True) -> http.InferInput:
    return tensor("text", np.array(texts, np.object_), "BYTES", binary)


def decoded(values: np.ndarray) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else value for value in values.tolist()]


@pytest.fixture
def triton(url: str) -> Iterator[http.InferenceServerClient]:
    client = http.InferenceServerClient(url.removeprefix("http://"))
    yield client
    client.close()


def test_the_server_and_its_models_are_described(triton) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("tiny")
    assert triton.is_model_ready("tiny", "7")
    assert not triton.is_model_ready("tiny", "8")
    assert not triton.is_model_ready("ti ny/huge")
    assert "binary_tensor_data" in triton.get_server_metadata()["extensions"]
    metadata = triton.get_model_metadata("tiny", "7")
    assert metadata["versions"] == ["7"]
    assert {"name": "text", "datatype": "BYTES", "shape": [-1]} in metadata["inputs"]
    assert {"name": "intent", "datatype": "FP32", "shape": [-1, 9]} in metadata["outputs"]
    assert [t["name"] for t in triton.get_model_config("tiny")["output"]] == [
        t["name"] for t in metadata["outputs"]
    ]
    with pytest.raises(InferenceServerException, match=r"\[404\] .*no model 'huge'"):
        triton.get_model_metadata("huge")
    with pytest.raises(InferenceServerException, match=r"\[404\] .*no version 'prod-v1'"):
        triton.get_model_metadata("tiny", "prod-v1")


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_texts_get_what_v1_answers(client, triton, binary: bool, compression: str | None) -> None:
    result = triton.infer(
        "tiny",
        [text(*TEXTS, binary=binary)],
        request_id="né",
        request_compression_algorithm=compression,
        response_compression_algorithm=compression,
    )
    answers = client.ask("/v1/predict", {"inputs": TEXTS})["results"]
    words = [word for answer in answers for word in answer["labels"]["slots"]]
    assert result.get_response()["id"] == "né"
    assert decoded(result.as_numpy("slots.labels")) == [word["label"] for word in words]
    scores = [word["score"] for word in words]
    assert result.as_numpy("slots.scores") == pytest.approx(scores, abs=1e-5)
    assert result.as_numpy("offsets").tolist() == [[w["start"], w["end"]] for w in words]
    counts = [len(answer["labels"]["slots"]) for answer in answers]
    assert result.as_numpy("word_counts").tolist() == counts
    classes = [answer["classes"]["intent"][0] for answer in answers]
    assert decoded(result.as_numpy("intent.labels")) == [one["label"] for one in classes]
    assert result.as_numpy("intent.scores") == pytest.approx(
        [one["score"] for one in classes], abs=1e-5
    )
    assert result.as_numpy("attention") is None


def test_token_ids_get_the_networks_logits_and_weights(triton, tiny) -> None:
    rows = [tiny.preprocessor.encode_text(text).token_ids for text in TEXTS]
    longest = max(map(len, rows))
    ids = np.stack([np.pad(row, (0, longest - len(row)), constant_values=5) for row in rows])
    valid = np.arange(longest) < np.array([[len(row)] for row in rows])
    inputs = [tensor("token_ids", ids, "INT64"), tensor("valid", valid, "BOOL")]
    plain = triton.infer("tiny", inputs)
    assert plain.as_numpy("slots").shape == (len(TEXTS), longest, 6)
    names = ["intent", "attention.2", "slots", "attention.0"]
    asked = [http.InferRequestedOutput(name) for name in names]
    result = triton.infer("tiny", inputs, outputs=asked)
    assert [output["name"] for output in result.get_response()["outputs"]] == names
    for item, (line, row) in enumerate(zip(TEXTS, rows, strict=True)):
        _, network = torch_outputs(tiny, line)
        size = len(row)
        expected = {
            "slots": network.logits["slots"][0],
            "intent": network.logits["intent"][0],
            "attention.0": network.weights[0][0],
            "attention.2": network.weights[2][0],
        }
        for name, values in expected.items():
            found = result.as_numpy(name)[item]
            inside = tuple(slice(size if axis == longest else None) for axis in found.shape)
            np.testing.assert_allclose(found[inside], values.numpy(), atol=1e-4)
            if "slots" in name or "attention" in name:
                assert np.abs(found).sum() == pytest.approx(np.abs(found[inside]).sum())


def test_attention_of_texts_is_the_networks(triton, tiny) -> None:
    result = triton.infer(
        "tiny",
        [text(*TEXTS)],
        outputs=[http.InferRequestedOutput("attention")],
        parameters={"attention.layers": "0,-1", "attention.heads": "all"},
    )
    found = result.as_numpy("attention")
    longest = max(len(tiny.preprocessor.encode_text(line).token_ids) for line in TEXTS)
    assert found.shape == (len(TEXTS), 2, HEADS, longest, longest)
    for item, line in enumerate(TEXTS):
        encoded, network = torch_outputs(tiny, line)
        size = len(encoded.token_ids)
        expected = torch.cat(network.weights)[[0, LAYERS - 1]]
        np.testing.assert_allclose(found[item, :, :, :size, :size], expected, atol=1e-4)
        assert not found[item, :, :, size:].any()


def test_classification_is_written_as_triton_writes_it(client, triton) -> None:
    output = http.InferRequestedOutput("intent.probabilities", class_count=3)
    found = decoded(
        triton.infer("tiny", [text("noon")], outputs=[output]).as_numpy(output.name())[0]
    )
    request = {"inputs": "noon", "options": {"top_k": 3}}
    classes = client.ask("/v1/predict", request)["results"][0]["classes"]["intent"]
    assert len(found) == 3
    for line, expected in zip(found, classes, strict=True):
        score, index, label = line.split(":")
        assert label == expected["label"] == "abcdefghi"[int(index)]
        assert float(score) == pytest.approx(expected["score"], abs=1e-5)


def test_problems_are_told_as_they_are(triton) -> None:
    for inputs, told in (
        ([text(" ")], r"\[400\] inputs.text.0: no visible character"),
        ([text("noon " * 5000)], r"\[413\] inputs.text.0: 25000 characters; at most 20000"),
        ([tensor("text", np.zeros(2, np.float32), "FP32")], r"\[400\] .*BYTES is allowed"),
    ):
        with pytest.raises(InferenceServerException, match=told):
            triton.infer("tiny", inputs)
    with pytest.raises(InferenceServerException, match=r"\[404\] .*no version 'prod-v1'"):
        triton.infer("tiny", [text("noon")], model_version="prod-v1")
    with pytest.raises(InferenceServerException, match=r"\[504\] no answer by the deadline"):
        triton.infer("tiny", [text("noon")], timeout=1)
    assert triton.infer("tiny", [text("noon")], timeout=20_000_000)


def test_the_repository_is_listed_and_changed(triton) -> None:
    def states() -> dict[str, str]:
        return {entry["name"]: entry["state"] for entry in triton.get_model_repository_index()}

    with pytest.raises(InferenceServerException, match=r"\[401\] the admin key is missing"):
        triton.unload_model("tagger")
    assert states() == {"tagger": "READY", "tiny": "READY"}
    triton.unload_model("tagger", headers=ADMIN)
    try:
        assert states() == {"tagger": "UNAVAILABLE", "tiny": "READY"}
        assert not triton.is_model_ready("tagger")
        with pytest.raises(InferenceServerException, match=r"\[404\] .*no model 'tagger'"):
            triton.infer("tagger", [text("noon")])
        with pytest.raises(InferenceServerException, match=r"\[501\] config: "):
            triton.load_model("tagger", headers=ADMIN, config="{}")
        with pytest.raises(InferenceServerException, match=r"\[501\] config, file:1/model"):
            files = {"file:1/model.onnx": b"x"}
            triton.load_model("tagger", headers=ADMIN, config="{}", files=files)
    finally:
        triton.load_model("tagger", headers=ADMIN)
    assert states() == {"tagger": "READY", "tiny": "READY"}
    with pytest.raises(InferenceServerException, match=r"\[404\] .*no folder 'huge'"):
        triton.load_model("huge", headers=ADMIN)


def test_statistics_grow_with_what_is_asked(triton) -> None:
    def read() -> dict[str, Any]:
        (model,) = triton.get_inference_statistics("tagger", "7")["model_stats"]
        return model

    before = read()
    triton.infer("tagger", [text("noon", "a table", "noon")])
    with pytest.raises(InferenceServerException):
        triton.infer("tagger", [text("noon", " ")])
    after = read()
    assert after["inference_count"] - before["inference_count"] == 3
    runs = after["execution_count"] - before["execution_count"]
    assert runs == sum(batch["compute_infer"]["count"] for batch in after["batch_stats"]) - sum(
        batch["compute_infer"]["count"] for batch in before["batch_stats"]
    )
    assert 1 <= runs <= 3
    stats, old = after["inference_stats"], before["inference_stats"]
    for name, count in {"success": 1, "fail": 1, "compute_infer": 1, "cache_hit": 0}.items():
        assert stats[name]["count"] - old[name]["count"] == count
    spent = {name: stats[name]["ns"] - old[name]["ns"] for name in stats}
    parts = ("queue", "compute_input", "compute_infer", "compute_output")
    assert 0 < sum(spent[part] for part in parts) <= spent["success"]
    assert all(spent[part] > 0 for part in parts)
    assert after["last_inference"] >= before["last_inference"]
    names = [model["name"] for model in triton.get_inference_statistics()["model_stats"]]
    assert names == ["tagger", "tiny"]


def test_what_is_not_there_is_refused_with_a_reason(triton) -> None:
    with pytest.raises(InferenceServerException, match=r"\[404\] GET /v2/trace/setting"):
        triton.get_trace_settings()
    with pytest.raises(InferenceServerException, match=r"\[404\] GET /v2/logging"):
        triton.get_log_settings()
    with pytest.raises(InferenceServerException, match=r"\[404\] POST /v2/systemsharedmemory"):
        triton.register_system_shared_memory("region", "/region", 10)
    shared = http.InferInput("text", [1], "BYTES")
    shared.set_shared_memory("region", 10)
    with pytest.raises(InferenceServerException, match=r"\[501\] .*shared memory"):
        triton.infer("tiny", [shared])


def test_aio_asks_as_sync_does(url: str) -> None:
    async def ask() -> None:
        async with aio.InferenceServerClient(url.removeprefix("http://")) as client:
            assert await client.is_server_ready()
            assert await client.is_model_ready("tiny", "7")
            assert (await client.get_model_metadata("tiny"))["name"] == "tiny"
            assert len(await client.get_model_repository_index()) == 2
            assert (await client.get_inference_statistics("tiny"))["model_stats"]
            for binary in (True, False):
                many = await asyncio.gather(
                    *(client.infer("tiny", [text(line, binary=binary)]) for line in TEXTS)
                )
                one = await client.infer("tiny", [text(*TEXTS, binary=binary)])
                labels = [label for result in many for label in result.as_numpy("slots.labels")]
                assert labels == one.as_numpy("slots.labels").tolist()
            wanted = aio.InferRequestedOutput("attention", binary_data=False)
            large = await client.infer("tiny", [text(*TEXTS)], outputs=[wanted])
            assert large.as_numpy("attention").ndim == 5
            with pytest.raises(InferenceServerException, match=r"\[400\] .*no visible"):
                await client.infer("tiny", [text("")])
            with pytest.raises(InferenceServerException, match=r"\[404\] .*'huge'"):
                await client.get_model_config("huge")

    asyncio.run(ask())
