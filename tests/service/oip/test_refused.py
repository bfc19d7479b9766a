"""Whatever is wrong with a request to /v2: a 4xx with `error` that says so, and the next works."""

import gzip
import json
import tracemalloc
import zlib
from typing import Any

import httpx
import pytest

from tests.service.conftest import MAX_LENGTH
from tests.service.oip.wire import body, pack, tensor, text
from tests.service.process import PATIENCE_S

PATH = "/v2/models/tiny/infer"
LENGTH = "inference-header-content-length"


def check(client, response, status: int, *told: str) -> dict[str, Any]:
    """It is that problem, in the shape that every client reads, and the service goes on."""
    problem = response.json()
    assert response.status_code == problem["status"] == status, problem
    assert response.headers["content-type"] == "application/json"
    assert problem["error"] == problem["detail"]
    for part in told:
        assert part in problem["error"], problem["error"]
    assert client.ask(PATH, {"inputs": [text("noon")]})
    return problem


def ids(rows: list[list[int]], valid: Any = None, datatype: str = "INT64", **more: Any) -> list:
    shape = [len(rows), len(rows[0])]
    valid = valid or [[True] * shape[1]] * shape[0]
    return [
        tensor("token_ids", datatype, more.get("shape", shape), rows),
        tensor("valid", "BOOL", more.get("valid_shape", shape), valid),
    ]


def words(counts: list[int], given: int = 3) -> list[dict]:
    return [
        tensor("words", "BYTES", [given], ["noon"] * given),
        tensor("word_counts", "INT64", [len(counts)], counts),
    ]


def outputs(name: str = "intent.labels", **parameters: Any) -> dict:
    return {"inputs": [text("noon")], "outputs": [{"name": name, "parameters": parameters}]}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ([], "object"),
        ({}, "inputs: Field required"),
        ({"inputs": []}, "inputs: List should have at least 1"),
        ({"inputs": [3]}, "inputs.0"),
        ({"inputs": [text("noon")], "id": 3}, "id: Input should be a valid string"),
        ({"inputs": [text("noon") | {"shape": [-1]}]}, "inputs.0.shape.0"),
        ({"inputs": [text("noon") | {"shape": [1.0]}]}, "inputs.0.shape.0"),
        ({"inputs": [text("noon") | {"shape": [True]}]}, "inputs.0.shape.0"),
        ({"inputs": [text("noon") | {"shape": [10**30]}]}, "1 elements; shape [1000"),
        ({"inputs": [text("noon") | {"shape": []}]}, "0 axes; shape [-1] is wanted"),
        ({"inputs": [text("noon") | {"shape": [1, 1]}]}, "2 axes; shape [-1] is wanted"),
        ({"inputs": [text("noon") | {"shape": [2]}]}, "1 elements; shape [2] has 2"),
        ({"inputs": [text()]}, "inputs.text.shape: there is nothing in it"),
        ({"inputs": [text("noon") | {"data": None}]}, "either data or binary_data_size"),
        ({"inputs": [text("noon") | {"data": [3]}]}, "int among the data of BYTES"),
        ({"inputs": [text("noon") | {"data": [["noon"]]}]}, "list among the data of BYTES"),
        ({"inputs": [text("noon") | {"datatype": "FP16"}]}, "FP16; BYTES is allowed"),
        ({"inputs": [text("noon") | {"datatype": "BF16"}]}, "BF16; BYTES is allowed"),
        ({"inputs": [text("noon") | {"name": "texts"}]}, "texts; the inputs are text; or "),
        ({"inputs": [text("noon") | {"name": "x" * 101}]}, "inputs.0.name: String should have"),
        ({"inputs": [text("noon")] * 2}, "text, text; the inputs are"),
        ({"inputs": [text("noon"), *words([3])]}, "text, words, word_counts; the inputs"),
        ({"inputs": words([3])[:1]}, "words; the inputs are"),
        ({"inputs": [text("noon") | {"parameters": {"a": [1]}}]}, "string, a number or a boo"),
        ({"inputs": [text("noon")], "parameters": {"timeout": -1}}, "parameters.timeout: -1"),
        ({"inputs": [text("noon")], "parameters": {"timeout": "1"}}, "number of microseconds"),
        ({"inputs": [text("noon")], "parameters": {"timeout": True}}, "parameters.timeout"),
        ({"inputs": [text("noon")], "parameters": {"binary_data_output": 1}}, "true or false"),
        ({"inputs": words([2])}, "is not how 3 words are shared out"),
        ({"inputs": words([4, -1])}, "is not how 3 words"),
        ({"inputs": words([2**62] * 4)}, "is not how 3 words"),
        ({"inputs": words([2**63])}, "more than INT64 can hold"),
        ({"inputs": words([3, 0])}, "inputs.words.1: no visible character"),
        ({"inputs": ids([[2, 3]], datatype="INT32")}, "INT32; INT64 is allowed"),
        ({"inputs": ids([[2, 3.0]])}, "float among the data of INT64"),
        ({"inputs": ids([[2, True]])}, "bool among the data of INT64"),
        ({"inputs": ids([[2, 3]], [[1, 1]])}, "int among the data of BOOL"),
        ({"inputs": ids([[2, 2**63]])}, "more than INT64 can hold"),
        ({"inputs": ids([[2, 3], [2]])}, "is not nested as shape [2, 2] says"),
        ({"inputs": ids([[2, 3]], shape=[2, 1])}, "is not nested as shape [2, 1] says"),
        ({"inputs": ids([[2, 3]], shape=[0, 2])}, "there is nothing in it"),
        ({"inputs": ids([[2, 3]], [True], valid_shape=[1, 1])}, "that of token_ids is wanted"),
        ({"inputs": ids([[2, 3]], [[False, True]])}, "all that is valid comes first"),
        ({"inputs": ids([[2, 3]] * 2, [[True] * 2, [False] * 2])}, "token_ids.1: 0 positions"),
        ({"inputs": ids([[2, 999_999]])}, "inputs.token_ids.0: a token id is none of"),
        ({"inputs": ids([[2] * (MAX_LENGTH + 1)])}, f"at most {MAX_LENGTH} are allowed"),
        ({"inputs": [text("noon")], "outputs": [3]}, "outputs.0"),
        (outputs("slots"), "outputs.slots: is none, or asked for twice; of text there are word_"),
        ({"inputs": words([3]), "outputs": [{"name": "offsets"}]}, "of words there are"),
        ({"inputs": ids([[2]]), "outputs": [{"name": "slots.labels"}]}, "of token ids there are"),
        (outputs() | {"outputs": [{"name": "offsets"}] * 2}, "asked for twice"),
        (outputs(classification=1), "is for what a sequence head gives"),
        (outputs("intent.probabilities", classification=-1), "is no number up to"),
        (outputs("intent.probabilities", classification=True), "is no number up to"),
        (outputs(binary_data="true"), "binary_data: is not true or false"),
        (outputs("attention", layers="[3]"), "attention.layers.0: 3 is none of the 3 layers"),
        (outputs("attention_keys"), "outputs.attention_keys: there are keys where"),
        (outputs("attention", layers="{"), "outputs.attention.layers"),
        (outputs("attention", layers=1.5), "outputs.attention.layers"),
        (outputs("attention", heads="max"), "outputs.attention.heads"),
        (outputs("attention", layer=1), "outputs.attention.layer: unknown; there are layers"),
    ],
)
def test_what_is_no_valid_request(client, asked: Any, told: str) -> None:
    check(client, client.post(PATH, asked), 400, told)


def test_what_is_not_json_or_not_text(client) -> None:
    check(client, client.post(PATH, b""), 400, "EOF")
    check(client, client.post(PATH, b"\xff"), 400)
    check(client, client.post(PATH, b'{"inputs": ' + b"[" * 9000), 400)
    check(client, client.post(PATH, {"inputs": [text(" ")]}), 400, "inputs.text.0: no visible")


@pytest.mark.parametrize(
    ("length", "told"),
    [
        ("0", "a body without JSON is not taken"),
        ("-1", "is no number of bytes"),
        ("+5", "is no number of bytes"),
        ("1e3", "is no number of bytes"),
        ("", "is no number of bytes"),
        ("99999", "is no number of bytes up to the body's"),
        ("9" * 5000, "is no number of bytes"),
        ("10", "EOF"),
    ],
)
def test_a_header_length_that_is_none(client, length: str, told: str) -> None:
    content = json.dumps({"inputs": [text("noon")]}).encode()
    check(client, client.post(PATH, content, **{LENGTH: length}), 400, told)


def sized(size: Any, **more: Any) -> dict:
    return {"inputs": [tensor("text", "BYTES", [1], parameters={"binary_data_size": size}, **more)]}


@pytest.mark.parametrize(
    ("head", "content", "told"),
    [
        (sized(8), pack("BYTES", ["noo"]), "8 bytes; 7 are left"),
        (sized(8), pack("BYTES", ["noon"]) + b"x", "1 bytes of the body belong to no tensor"),
        (sized(-1), b"", "-1 is no number of bytes"),
        (sized(1.0), b"x", "1.0 is no number of bytes"),
        (sized(True), b"x", "True is no number of bytes"),
        (sized("8"), pack("BYTES", ["noon"]), "'8' is no number of bytes"),
        (sized(10**30), b"", "bytes; 0 are left"),
        (sized(8, data=["noon"]), pack("BYTES", ["noon"]), "either data or binary_data_size"),
        (sized(0), b"", "0 elements; shape [1] has 1"),
        (sized(3), b"\x00\x00\x00", "element 0 ends after the tensor's 3 bytes"),
        (sized(8), b"\x05\x00\x00\x00noon", "element 0 ends after"),
        (sized(8), b"\xff\xff\xff\xffnoon", "element 0 ends after"),
        (sized(9), pack("BYTES", ["noon"]) + b"\x00", "element 1 ends after"),
        (sized(12), pack("BYTES", ["noon", ""]), "2 elements; shape [1] has 1"),
        (sized(8), pack("BYTES", [b"noo\xff"]), "inputs.text.0: is not UTF-8 at byte 3"),
    ],
)
def test_bytes_that_are_not_the_tensor_they_are_said_to_be(
    client, head: Any, content: bytes, told: str
) -> None:
    sent, headers = body(head, content)
    check(client, client.post(PATH, sent, **headers), 400, told)


def test_numbers_that_are_cut_off(client) -> None:
    parameters = {"binary_data_size": 12}
    inputs = [
        tensor("token_ids", "INT64", [1, 2], parameters=parameters),
        tensor("valid", "BOOL", [1, 2], [True, True]),
    ]
    sent, headers = body({"inputs": inputs}, b"\x00" * 12)
    check(client, client.post(PATH, sent, **headers), 400, "12 bytes are no whole number of INT64")


def test_a_compressed_body_is_inflated_no_further_than_allowed(client) -> None:
    headers = {"content-encoding": "gzip"}
    bomb = gzip.compress(b" " * 100_000_000, compresslevel=1)
    assert len(bomb) < 1_048_576
    tracemalloc.start()
    response = client.post(PATH, bomb, **headers)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    check(client, response, 413, "inflates to more than the 1048576")
    assert peak < 20_000_000
    check(client, client.post(PATH, bomb * 3, **headers), 413, "at most 1048576")


@pytest.mark.parametrize("name", ["gzip", "deflate"])
def test_a_body_that_is_not_compressed_as_it_says(client, name: str) -> None:
    compress = {"gzip": gzip.compress, "deflate": zlib.compress}[name]
    content = compress(json.dumps({"inputs": [text("noon")]}).encode())
    headers = {"content-encoding": name}
    assert client.post(PATH, content, **headers).status_code == 200
    check(client, client.post(PATH, b"noon", **headers), 400, f"the body is not {name}")
    check(client, client.post(PATH, b"", **headers), 400, f"the end of the {name} is missing")
    check(client, client.post(PATH, content[:-5], **headers), 400, "is missing")
    check(client, client.post(PATH, content + b"x", **headers), 400, "something follows")
    problem = client.post(PATH, content, **{"content-encoding": "br"})
    check(client, problem, 415, "'br' is not known; there are identity, gzip, deflate")
    assert problem.headers["accept-encoding"] == "identity, gzip, deflate"


def test_more_than_a_limit(make_client) -> None:
    client = make_client(max_inputs=2, max_request_positions=30, max_attention_floats=500)
    check(client, client.post(PATH, {"inputs": [text(*["noon"] * 3)]}), 413, "3 inputs; at most 2")
    check(client, client.post(PATH, {"inputs": ids([[2]] * 3)}), 413, "3 inputs; at most 2")
    padded = ids([[2] * 20] * 2, [[True] + [False] * 19] * 2)
    check(client, client.post(PATH, {"inputs": padded}), 413, "40 positions, padding included")
    wanted = {"outputs": [{"name": "attention.0"}]}
    padded = ids([[2] * 15], [[True] + [False] * 14])
    problem = client.post(PATH, {"inputs": padded} | wanted)
    check(client, problem, 413, "900 attention weights, padding included; at most 500")
    wanted = {"outputs": [{"name": "attention"}]}
    assert client.ask(PATH, {"inputs": [text("noon " * 7)]} | wanted)
    problem = client.post(PATH, {"inputs": [text("noon " * 7, "noon")]} | wanted)
    check(client, problem, 413, "648 attention weights, padding included; at most 500")


def test_a_deadline_that_is_over(client) -> None:
    asked = {"inputs": [text("noon")], "parameters": {"timeout": 1}}
    check(client, client.post(PATH, asked), 504, "deadline")
    asked["parameters"]["timeout"] = 0
    assert client.ask(PATH, asked)
    headers = {"x-request-timeout": "0.000001"}
    asked["parameters"]["timeout"] = 10_000_000
    check(client, client.post(PATH, asked, **headers), 504, "deadline")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/nothing", 404),
        ("GET", "/v2/logging", 404),
        ("POST", "/v2/models/tiny/trace/setting", 404),
        ("GET", "/v2/cudasharedmemory/status", 404),
        ("GET", "/v2/models/huge", 404),
        ("GET", "/v2/models/tiny/versions/8/config", 404),
        ("GET", "/v2/models/tiny/versions/8/stats", 404),
        ("GET", "/v2/models/tiny/versions/8/ready", 404),
        ("POST", "/v2/models/huge/infer", 404),
        ("POST", "/v2/models/tiny%2F7/infer", 404),
        ("POST", "/v2/models/tiny/versions/8/infer", 404),
        ("GET", "/v2/models/tiny/infer", 405),
        ("DELETE", "/v2/models/tiny", 405),
        ("POST", "/v2", 405),
        ("POST", "/v2/repository/models/tiny/load", 403),
    ],
)
def test_paths_and_methods_that_there_are_not(client, method: str, path: str, status: int) -> None:
    check(client, client.run(client.http.request(method, path)), status)


@pytest.mark.parametrize("sent", [b"3", b"{", b'{"ready": 1}', b"\xff", b"[]"])
def test_what_is_no_request_of_the_index(client, sent: bytes) -> None:
    check(client, client.post("/v2/repository/index", sent), 400)


def test_a_body_that_never_ends_is_cut_short_everywhere(url: str) -> None:
    def chunks():
        for _ in range(1000):
            yield b" " * 100_000

    for path in ("/v2/models/tiny/infer", "/v2/repository/index"):
        try:
            response = httpx.post(url + path, content=chunks(), timeout=PATIENCE_S)
        except (httpx.WriteError, httpx.ReadError):
            continue  # the connection was closed while it was sent
        assert response.status_code == 413
