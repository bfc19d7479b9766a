"""/v2 for models of other modalities than text: what their graphs take, and files."""

import base64
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tritonclient import http
from tritonclient.utils import InferenceServerException

from model.preprocess.batch import pad
from service.settings import Settings
from tests.service.conftest import Client
from tests.service.modalities import MODALITIES, cases, run
from tests.service.oip.wire import body, pack, tensor, values
from tests.service.process import serving

DATATYPES = {"float32": "FP32", "int64": "INT64", "bool": "BOOL"}
GRAPHS = ["part", "whole", "size", "said", "attention.1", "attention.0"]
FILES = {"sound": "audio", "image": "image"}
FIRST = FILES | {"word": "text"}
HEADS_OF_FILES = ["position_counts", "part.labels", "part.scores", "whole.labels", "whole.scores"]
HEADS_OF_FILES += ["size.values", "said.transcripts", "said.scores"]


@pytest.fixture(scope="module")
def triton(modalities: SimpleNamespace) -> Iterator[http.InferenceServerClient]:
    with serving(modalities.folder, precision="fp32", threads="1") as (_, url):
        client = http.InferenceServerClient(url.removeprefix("http://"))
        yield client
        client.close()


def path(name: str) -> str:
    return f"/v2/models/{name}/infer"


def in_json(arrays: dict[str, np.ndarray]) -> list[dict]:
    return [
        tensor(name, DATATYPES[str(array.dtype)], [*array.shape], array.tolist())
        for name, array in arrays.items()
    ]


def shaped(response: Any) -> dict[str, np.ndarray]:
    """Outputs of an answer in JSON."""
    assert response.status_code == 200, response.text
    return {
        output["name"]: np.reshape(output["data"], output["shape"])
        for output in response.json()["outputs"]
    }


@pytest.mark.parametrize("name", MODALITIES)
def test_what_the_graph_takes_gets_what_the_network_gives(sources, modalities, name: str) -> None:
    encoded, outputs = zip(
        *(run(modalities.networks[name], source) for _, source in cases(name)), strict=True
    )
    arrays = pad(encoded)
    asked = {"inputs": in_json(arrays), "outputs": [{"name": each} for each in GRAPHS]}
    found = shaped(sources.post(path(name), asked))
    assert list(found) == GRAPHS
    for item, output in enumerate(outputs):
        expected = {head: logits[0].numpy() for head, logits in output.logits.items()}
        expected |= {f"attention.{n}": layer[0].numpy() for n, layer in enumerate(output.weights)}
        for each, theirs in expected.items():
            ours = found[each][item]
            inside = tuple(map(slice, theirs.shape))
            np.testing.assert_allclose(ours[inside], theirs, atol=1e-4)
            assert np.abs(ours).sum() == pytest.approx(np.abs(ours[inside]).sum())


@pytest.mark.parametrize("name", MODALITIES)
def test_tensors_are_json_or_bytes_as_the_metadata_says(sources, modalities, name: str) -> None:
    arrays = pad([run(modalities.networks[name], source)[0] for _, source in cases(name)])
    metadata = sources.get(f"/v2/models/{name}").json()
    described = {each["name"]: each for each in metadata["inputs"]}
    told, contents = [], []
    for each, array in arrays.items():
        datatype = DATATYPES[str(array.dtype)]
        assert described[each]["datatype"] == datatype
        for size, axis in zip(array.shape, described[each]["shape"], strict=True):
            assert axis in (-1, size)
        contents.append(pack(datatype, array.ravel().tolist()))
        parameters = {"binary_data_size": len(contents[-1])}
        told.append(tensor(each, datatype, [*array.shape], parameters=parameters))
    sent, headers = body({"inputs": told}, *contents)
    found = values(sources.post(path(name), sent, **headers))
    assert list(found) == ["part", "whole", "size", "said"]
    in_text = values(sources.post(path(name), {"inputs": in_json(arrays)}))
    assert found == {head: pytest.approx(numbers, abs=1e-5) for head, numbers in in_text.items()}
    shapes = {each["name"]: each["shape"] for each in metadata["outputs"]}
    assert shapes["size"] == [-1]
    seen = {"sound": [-1, 9], "graph": [-1]}.get(name, [-1, -1])
    assert shapes["attention.1"] == [-1, 4, *seen]
    config = sources.get(f"/v2/models/{name}/config").json()
    needed = [each["name"] for each in config["input"] if not each["optional"]]
    assert needed == ([FIRST[name]] if name in FIRST else [*described])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("binary", [True, False])
def test_files_get_what_v1_answers(sources, name: str, binary: bool) -> None:
    requests = [request for request, _ in cases(name)]
    kind = FILES[name]
    encoded = [request[kind] for request in requests]
    told, contents, headers = tensor(kind, "BYTES", [3], encoded), [], {}
    if binary:
        contents = [pack("BYTES", [base64.b64decode(each) for each in encoded])]
        parameters = {"binary_data_size": len(contents[0])}
        told = tensor(kind, "BYTES", [3], parameters=parameters)
    sent, headers = body({"inputs": [told]}, *contents)
    found = values(sources.post(path(name), sent, **headers))
    assert list(found) == HEADS_OF_FILES
    request = {"model": name, "inputs": requests, "attention": {"kind": "rollout"}}
    results = sources.ask("/v1/predict", request)["results"]
    labels = [label for result in results for label in result["labels"]["part"]]
    assert found["position_counts"] == [len(result["labels"]["part"]) for result in results]
    assert found["part.labels"] == [label["label"] for label in labels]
    near = pytest.approx([label["score"] for label in labels], abs=1e-5)
    assert found["part.scores"] == near
    assert found["whole.labels"] == [result["classes"]["whole"][0]["label"] for result in results]
    assert found["size.values"] == pytest.approx(
        [result["values"]["size"] for result in results], abs=1e-5
    )
    said = [result["transcripts"]["said"] for result in results]
    assert found["said.transcripts"] == [each["text"] for each in said]
    assert found["said.scores"] == pytest.approx([each["score"] for each in said], abs=1e-5)
    wanted = [
        {"name": "attention", "parameters": {"kind": "rollout"}},
        {"name": "positions"},
        {"name": "whole.probabilities", "parameters": {"classification": 1}},
    ]
    sent, headers = body({"inputs": [told], "outputs": wanted}, *contents)
    found = values(sources.post(path(name), sent, **headers))
    seen = [result["attention"] for result in results]
    assert [json.loads(each) for each in found["positions"]] == [each["positions"] for each in seen]
    longest = max(len(each["positions"]) for each in seen)
    rolled = np.reshape(found["attention"], (3, 1, 1, longest, longest))
    for ours, theirs in zip(rolled, seen, strict=True):
        size = len(theirs["positions"])
        np.testing.assert_allclose(ours[:, :, :size, :size], theirs["weights"], atol=1e-5)
    assert [each.rpartition(":")[2] for each in found["whole.probabilities"]] == [
        result["classes"]["whole"][0]["label"] for result in results
    ]


ONE = {"vectors": [[[0.5] * 5, [1.0] * 5]], "valid": [[True, True]]}
LOOPS = [[[0, 0], [1, 1]]]


def vectors(**changed: Any) -> list[dict]:
    """Right, but for that."""
    kinds = {"vectors": "FP32", "valid": "BOOL", "edges": "INT64"}
    found = []
    for name, data in (ONE | changed).items():
        shape, inner = [], data
        while isinstance(inner, list):
            shape.append(len(inner))
            inner = inner[0] if inner else None
        found.append(tensor(name, kinds[name], shape, data))
    return found


def test_whole_numbers_are_numbers(sources) -> None:
    one = [[[1, 2.5, 3, 0, -1]]]
    asked = vectors(vectors=one, valid=[[True]])
    same = vectors(vectors=[[[1.0, 2.5, 3.0, 0.0, -1.0]]], valid=[[True]])
    found, expected = (
        values(sources.post(path("vectors"), {"inputs": each})) for each in (asked, same)
    )
    assert found == expected


@pytest.mark.parametrize(
    ("name", "inputs", "told"),
    [
        ("vectors", [tensor("text", "BYTES", [1], ["noon"])], "the inputs are valid and vectors"),
        ("sound", [tensor("text", "BYTES", [1], ["noon"])], "are audio; or valid and vectors"),
        ("graph", vectors(), "valid; the inputs are edges and valid and vectors"),
        ("vectors", vectors(vectors=[[[0.5] * 4]], valid=[[True]]), "shape [-1, -1, 5] is wanted"),
        ("vectors", vectors(vectors=[[0.5] * 5]), "2 axes; shape [-1, -1, 5] is wanted"),
        ("vectors", vectors(vectors=[[["1"] * 5]]), "str among the data of FP32; only float or "),
        ("vectors", vectors(vectors=[[[True] * 5]]), "bool among the data of FP32"),
        ("vectors", vectors(vectors=[[[1e39] * 5] * 2]), "vectors.0: a number is not finite"),
        ("vectors", vectors(vectors=[[[3.4e38, -3.4e38] * 2 + [1]] * 2]), "vectors.0: its numb"),
        ("vectors", vectors(vectors=[[[10**400] * 5] * 2]), "more than FP32 can hold"),
        ("vectors", vectors(valid=[[True]]), "that of vectors, but for its last axis, is wanted"),
        ("vectors", vectors(valid=[[False, True]]), "inputs.valid: in each row all that is valid"),
        ("vectors", vectors(valid=[[False, False]]), "vectors.0: 0 positions; 1 to 60 are"),
        ("vectors", vectors(vectors=[[[0.5] * 5] * 61]), "61 positions; at most 60 are allowed"),
        ("graph", vectors(edges=[[[0, 0], [2, 0]]]), "vectors.0: edge 1 is [2, 0]; positions are"),
        ("graph", vectors(edges=[[[0, 0], [0, -1]]]), "edge 1 is [0, -1]; positions are 0 to 1"),
        ("graph", vectors(edges=[[[-1, -1], [0, 0]]]), "inputs.edges: in each row all that is"),
        ("graph", vectors(edges=LOOPS * 2), "edges of 2 inputs; there are 1"),
        ("graph", vectors(edges=[[[0, 1]] * 201]), "201 edges; 1 to 200 are allowed"),
        ("graph", vectors(edges=[[[-1, -1]]]), "0 edges; 1 to 200 are allowed"),
        ("graph", vectors(edges=[[[0, 1, 1]]]), "shape [-1, -1, 2] is wanted"),
        ("sound", [tensor("audio", "BYTES", [1], ["%"])], "inputs.audio.0: not base64"),
        ("sound", [tensor("audio", "BYTES", [1], ["AAAA"])], "audio.0: not a sound file"),
        ("image", [tensor("image", "BYTES", [1], ["AAAA"])], "image.0: not a PNG or JPEG"),
        ("image", [tensor("image", "BYTES", [2], ["AAAA"])], "1 elements; shape [2] has 2"),
        ("image", [tensor("image", "BYTES", [1], [3])], "int among the data of BYTES"),
    ],
)
def test_what_a_model_cannot_take_is_told(sources, name: str, inputs: Any, told: str) -> None:
    response = sources.post(path(name), {"inputs": inputs})
    assert response.status_code == 400
    assert told in response.json()["error"]


def test_a_node_may_have_no_edge(sources) -> None:
    for edges in (LOOPS, [[[0, 0], [-1, -1]]]):
        found = shaped(sources.post(path("graph"), {"inputs": vectors(edges=edges)}))
        assert all(np.isfinite(array.astype(float)).all() for array in found.values())


def test_attention_is_counted_as_it_is_answered(modalities) -> None:
    limits = {"max_attention_floats": 4 * 9 * 20}
    client = Client(Settings(bundles=str(modalities.folder), precision="fp32", **limits))
    features = MODALITIES["sound"].width
    for length, status in ((20, 200), (21, 413)):
        asked = vectors(vectors=[[[0.5] * features] * length], valid=[[True] * length])
        wanted = {"outputs": [{"name": "attention.0"}]}
        response = client.post(path("sound"), {"inputs": asked} | wanted)
        assert response.status_code == status, response.text
    client.close()


def infer_input(name: str, array: np.ndarray, datatype: str) -> http.InferInput:
    made = http.InferInput(name, [*array.shape], datatype)
    made.set_data_from_numpy(array)
    return made


@pytest.mark.parametrize("name", MODALITIES)
def test_tritonclient_asks_them_all(triton, modalities, name: str) -> None:
    encoded, outputs = zip(
        *(run(modalities.networks[name], source) for _, source in cases(name)), strict=True
    )
    arrays = pad(encoded)
    inputs = [infer_input(k, array, DATATYPES[str(array.dtype)]) for k, array in arrays.items()]
    result = triton.infer(name, inputs)
    for item, output in enumerate(outputs):
        for head in ("whole", "size"):
            theirs = output.logits[head][0].numpy()
            np.testing.assert_allclose(result.as_numpy(head)[item], theirs, atol=1e-4)
    output = http.InferRequestedOutput("whole", class_count=1)
    best = triton.infer(name, inputs, outputs=[output]).as_numpy("whole")[:, 0]
    expected = ["abcd"[output.logits["whole"][0].argmax()] for output in outputs]
    assert [line.decode().rpartition(":")[2] for line in best] == expected


@pytest.mark.parametrize("name", FILES)
def test_tritonclient_sends_files(triton, sources, name: str) -> None:
    requests = [request for request, _ in cases(name)]
    files = [base64.b64decode(request[FILES[name]]) for request in requests]
    given = infer_input(FILES[name], np.array(files, np.object_), "BYTES")
    result = triton.infer(name, [given])
    answers = sources.ask("/v1/transcribe", {"model": name, "inputs": requests})["results"]
    assert [text.decode() for text in result.as_numpy("said.transcripts")] == [
        answer["transcripts"]["said"]["text"] for answer in answers
    ]
    with pytest.raises(InferenceServerException, match=r"\[400\] inputs.\w+.0: not a"):
        triton.infer(name, [infer_input(FILES[name], np.array([b"x"], np.object_), "BYTES")])
