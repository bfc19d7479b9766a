"""What /v2 answers, held against /v1 and against the protocol's own words."""

import gzip
import json
import zlib
from itertools import chain

import numpy as np
import pytest

from tests.service.conftest import MAX_LENGTH, TEXTS, torch_outputs
from tests.service.oip.wire import body, pack, tensor, text, values

PATH = "/v2/models/tiny/infer"
WORDS = [["book", "a", "table"], ["zzz"], ["noon", "in", "new", "york"]]
DEFAULT = ["word_counts", "offsets", "slots.labels", "slots.scores"]
DEFAULT += ["intent.labels", "intent.scores"]


def ask(client, *inputs: dict, path: str = PATH, **more: object) -> dict:
    return client.ask(path, {"inputs": list(inputs), **more})


def words(*given: list[str], datatype: str = "INT32") -> list[dict]:
    flat = [word for each in given for word in each]
    counts = [len(each) for each in given]
    return [
        tensor("words", "BYTES", [len(flat)], flat),
        tensor("word_counts", datatype, [len(counts)], counts),
    ]


def test_a_model_answers_labels_and_classes_but_no_attention_where_nothing_is_named(client) -> None:
    answer = ask(client, text("noon"))
    assert list(answer) == ["model_name", "model_version", "outputs"]
    assert (answer["model_name"], answer["model_version"]) == ("tiny", "7")
    assert [output["name"] for output in answer["outputs"]] == DEFAULT
    answer = ask(client, *words(["noon"]))
    assert [output["name"] for output in answer["outputs"]] == [
        name for name in DEFAULT if name != "offsets"
    ]
    answer = ask(client, text("noon"), path="/v2/models/tagger/versions/7/infer")
    names = [output["name"] for output in answer["outputs"]]
    assert names == ["word_counts", "offsets", "tags.labels", "tags.scores"]


@pytest.mark.parametrize("datatype", ["INT32", "INT64"])
def test_given_words_are_labelled_one_for_one(client, datatype: str) -> None:
    found = values(client.post(PATH, {"inputs": words(*WORDS, datatype=datatype)}))
    inputs = [{"words": each} for each in WORDS]
    answers = client.ask("/v1/predict", {"inputs": inputs})["results"]
    labels = [word for answer in answers for word in answer["labels"]["slots"]]
    assert found["word_counts"] == [3, 1, 4]
    assert found["slots.labels"] == [word["label"] for word in labels]
    assert found["slots.scores"] == pytest.approx([word["score"] for word in labels], abs=1e-5)


def test_spans_and_positions_are_those_of_v1(client) -> None:
    outputs = [{"name": "slots.spans"}, {"name": "positions"}]
    request = {"inputs": TEXTS, "attention": {}}
    answers = client.ask("/v1/predict", request)["results"]
    found = values(client.post(PATH, {"inputs": [text(*TEXTS)], "outputs": outputs}))
    assert any(answer["spans"]["slots"] for answer in answers)
    assert [json.loads(line) for line in found["slots.spans"]] == [
        answer["spans"]["slots"] for answer in answers
    ]
    assert [json.loads(line) for line in found["positions"]] == [
        answer["attention"]["positions"] for answer in answers
    ]


def test_probabilities_are_those_of_the_network(client, tiny) -> None:
    outputs = [{"name": "intent.probabilities"}]
    (output,) = ask(client, text(*TEXTS), outputs=outputs)["outputs"]
    assert output["shape"] == [len(TEXTS), 9]
    expected = [
        torch_outputs(tiny, line)[1].logits["intent"][0].softmax(-1).tolist() for line in TEXTS
    ]
    np.testing.assert_allclose(np.reshape(output["data"], (-1, 9)), expected, atol=1e-4)


def test_logits_can_be_asked_for_with_their_classes(client, tiny) -> None:
    ids = tiny.preprocessor.encode_text("noon").token_ids.tolist()
    inputs = [
        tensor("token_ids", "INT64", [1, len(ids)], [ids]),
        tensor("valid", "BOOL", [1, len(ids)], [True] * len(ids)),
    ]
    outputs = [{"name": "intent", "parameters": {"classification": 100}}]
    (output,) = ask(client, *inputs, outputs=outputs)["outputs"]
    logits = torch_outputs(tiny, "noon")[1].logits["intent"][0].tolist()
    ranked = sorted(range(9), key=lambda index: -logits[index])
    assert output["shape"] == [1, 9]
    for line, index in zip(output["data"], ranked, strict=True):
        value, *rest = line.split(":")
        assert rest == [str(index), "abcdefghi"[index]]
        assert float(value) == pytest.approx(logits[index], abs=1e-4)


def test_each_output_is_binary_or_not_as_it_says_itself(client) -> None:
    named = [
        {"name": "slots.labels"},
        {"name": "offsets", "parameters": {"binary_data": True}},
        {"name": "slots.scores", "parameters": {"binary_data": False}},
        {"name": "word_counts"},
    ]
    for all_binary in (False, True):
        asked = {
            "inputs": [text(*TEXTS)],
            "outputs": named,
            "parameters": {"binary_data_output": all_binary},
        }
        response = client.post(PATH, asked)
        found = values(response)
        head = json.loads(
            response.content[: int(response.headers["inference-header-content-length"])]
        )
        binary = {output["name"] for output in head["outputs"] if "parameters" in output}
        assert binary == {"offsets"} | ({"slots.labels", "word_counts"} if all_binary else set())
        plain = values(client.post(PATH, {"inputs": [text(*TEXTS)]}))
        assert list(found) == [output["name"] for output in named]
        assert found["slots.scores"] == pytest.approx(plain["slots.scores"], abs=1e-6)
        assert all(found[name] == plain[name] for name in found if name != "slots.scores")


def test_data_may_be_flat_or_nested_or_bytes(client) -> None:
    ids, valid = [[2, 9, 3], [2, 3, 0]], [[True, True, True], [True, True, False]]
    flat = [[*chain(*ids)], [*chain(*valid)]]
    answers = []
    for rows in ((ids, valid), flat, (ids, flat[1])):
        inputs = [
            tensor("token_ids", "INT64", [2, 3], rows[0]),
            tensor("valid", "BOOL", [2, 3], rows[1]),
        ]
        answers.append(values(client.post(PATH, {"inputs": inputs})))
    packed = [pack("BOOL", flat[1]), pack("INT64", flat[0])]
    inputs = [
        tensor("valid", "BOOL", [2, 3], parameters={"binary_data_size": len(packed[0])}),
        tensor("token_ids", "INT64", [2, 3], parameters={"binary_data_size": len(packed[1])}),
    ]
    content, headers = body({"inputs": inputs}, *packed)
    answers.append(values(client.post(PATH, content, **headers)))
    assert answers[0] == answers[1] == answers[2] == answers[3]
    assert set(answers[0]) == {"slots", "intent"}


def test_members_that_mean_nothing_here_are_passed_over(client) -> None:
    plain = ask(client, text("noon"))
    more = {"model_name": "tiny", "parameters": {"sequence_id": 3, "priority": 1, "x": "y"}}
    assert ask(client, text("noon") | {"contents": {}}, **more) == plain


@pytest.mark.parametrize(
    "parameters", [{"layers": "-1", "heads": "mean"}, {"layers": -1, "heads": "mean"}]
)
def test_attention_is_chosen_by_the_output_or_by_the_request(client, parameters: dict) -> None:
    output = {"name": "attention", "parameters": parameters}
    (by_output,) = ask(client, text(*TEXTS), outputs=[output])["outputs"]
    by_request = {f"attention.{name}": value for name, value in parameters.items()}
    asked = {"outputs": [{"name": "attention"}], "parameters": by_request}
    assert ask(client, text(*TEXTS), **asked)["outputs"] == [by_output]
    size = by_output["shape"][-1]
    assert by_output["shape"] == [len(TEXTS), 1, 1, size, size]
    both = {"outputs": [output], "parameters": {"attention.layers": "[0, 1]"}}
    assert ask(client, text(*TEXTS), **both)["outputs"] == [by_output]


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "rollout", "layers": "all"},
        {"kind": "received", "level": "word"},
        {"kind": "entropy", "special": "drop"},
        {"top_k": 2, "query": {"first_word": 0, "last_word": 0}},
        {"heads": "mean", "dtype": "float16"},
    ],
)
def test_attention_is_what_v1_answers_whatever_is_asked_of_it(client, options: dict) -> None:
    inputs = [TEXTS[0], TEXTS[3]]  # not of the same length
    parameters = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in options.items()}
    names = ["attention", "attention_keys"] if "top_k" in options else ["attention"]
    wanted = [{"name": name, "parameters": {"binary_data": True}} for name in names]
    wanted[0]["parameters"] |= parameters
    response = client.post(PATH, {"inputs": [text(*inputs)], "outputs": wanted})
    found = values(response)
    size = int(response.headers["inference-header-content-length"])
    shapes = [output["shape"] for output in json.loads(response.content[:size])["outputs"]]
    answers = client.ask("/v1/attention", {"inputs": inputs, "attention": options})["results"]
    kind = options.get("kind", "weights").replace("rollout", "weights")
    for name, v1 in zip(names, (kind, "keys"), strict=False):
        stacked = np.reshape(found[name], shapes[names.index(name)])
        for item, answer in zip(stacked, answers, strict=True):
            expected = np.array(answer["attention"][v1])
            part = item[tuple(map(slice, expected.shape))]
            assert part == pytest.approx(expected, abs=1e-3 if "dtype" in options else 1e-6)
            item[tuple(map(slice, expected.shape))] = 0
            assert set(np.unique(item)) <= ({0, -1} if v1 == "keys" else {0})


@pytest.mark.parametrize(
    ("name", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_bodies_may_be_compressed_both_ways(client, name: str, compress) -> None:
    asked = {"inputs": [text(*TEXTS * 3)], "outputs": [{"name": "attention"}]}
    plain = client.post(PATH, asked, **{"accept-encoding": f"br, {name};q=0"})
    assert "content-encoding" not in plain.headers
    sent = compress(json.dumps(asked).encode())
    headers = {"content-encoding": name, "accept-encoding": f"br, {name}"}
    response = client.post(PATH, sent, **headers)
    assert response.headers["content-encoding"] == name
    assert response.content == plain.content  # httpx has inflated it
    small = client.post(PATH, {"inputs": [text("a")]}, **{"accept-encoding": name})
    assert "content-encoding" not in small.headers
    for problem in (client.post(PATH, {}, **headers), client.get("/v2/models/tiny")):
        assert "content-encoding" not in problem.headers


def test_long_requests_are_answered_as_short_ones_are(client) -> None:
    many = [" ".join(["noon"] * (MAX_LENGTH - 2))] * 190
    found = values(client.post(PATH, {"inputs": [text(*many)]}))
    one = values(client.post(PATH, {"inputs": [text(many[0])]}))
    assert found["slots.labels"] == one["slots.labels"] * 190
    assert found["word_counts"] == [MAX_LENGTH - 2] * 190


def test_many_numbers_are_written_as_json_in_pieces(client) -> None:
    layers = {"name": "attention", "parameters": {"layers": "all"}}
    asked = {"inputs": [text(*TEXTS * 3)], "outputs": [layers]}
    (output,) = client.ask(PATH, asked)["outputs"]
    assert len(output["data"]) == np.prod(output["shape"]) > 2 * 16_384
    binary = asked | {"parameters": {"binary_data_output": True}}
    found = values(client.post(PATH, binary))["attention"]
    assert output["data"] == pytest.approx(found, abs=1e-6)
