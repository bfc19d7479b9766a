"""Offsets index the caller's own string, whatever is in it."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from service.parse import parse
from service.schemas import PredictRequest

LONE = [chr(code) for code in (0xD800, 0xDBFF, 0xDC00, 0xDFFF)]
AWKWARD = [
    *(
        "e\u0301",
        "\u0130",
        "ß",
        "ﬁ",
        "İstanbul",
        "नमस्ते",
        "서울",
        "東京",
        "ＦＵＬＬ",
        "مرحبا",
        "שָׁלוֹם",
    ),
    *(
        "👩‍👩‍👧",
        "🇫🇷",
        "👍🏽",
        "\u200b",
        "\u200d",
        "\ufeff",
        "\u202e",
        "\x00",
        "\x7f",
        "\u00ad",
        "\ufffd",
    ),
    *("\U0010ffff", "\u2028", "\u3000", "[CLS]", "##a", "a" * 150, "U.S.A.", "don't", "$5,00!"),
]
texts = st.lists(
    st.one_of(st.sampled_from(["noon", " ", "  ", "York", *AWKWARD, *LONE]), st.text(max_size=5)),
    max_size=6,
).map("".join)


def check(client, text: str, response: Any) -> None:
    if response.status_code != 200:
        assert response.json()["type"] == "urn:regard:invalid-input", response.text
        return
    (result,) = response.json()["results"]
    end = 0
    for word in result["labels"]["slots"]:
        assert word["text"] == text[word["start"] : word["end"]]
        assert end <= word["start"] < word["end"]
        end = word["end"]
    for item in result["spans"]["slots"] + result["attention"]["positions"][1:-1]:
        assert item["text"] == text[item["start"] : item["end"]]


@profile(max_examples=150)
@given(texts)
@example("\ud83d noon")
@example("\ud83d\ude00 noon \ude00\ud83d")
@example("\\ud83d noon \\\ud83d")
def test_offsets_are_the_callers(client, text: str) -> None:
    request = {"inputs": text, "attention": {"layers": [0], "heads": "mean"}}
    body = json.dumps(request).encode()  # escapes what is not ASCII
    read = json.loads(body)["inputs"]  # two surrogates that meet are a character
    seen = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in read)
    check(client, seen, client.post("/v1/predict", body))


@profile(max_examples=50)
@given(st.text(max_size=8))
def test_offsets_are_the_callers_in_utf8_too(client, text: str) -> None:
    request = {"inputs": "noon " + text, "attention": {"layers": [0], "heads": "mean"}}
    body = json.dumps(request, ensure_ascii=False).encode()
    check(client, "noon " + text, client.post("/v1/predict", body))


@given(st.text(st.characters() | st.sampled_from([*LONE, "\\", '"', "/", "u"]), max_size=20))
def test_a_lone_surrogate_is_read_as_one_replacement_character(text: str) -> None:
    body = json.dumps({"inputs": text}).encode()
    read = json.loads(body)["inputs"]
    expected = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in read)
    assert parse(PredictRequest, body).inputs == expected


@profile(max_examples=50)
@given(st.lists(st.sampled_from(["noon", *AWKWARD]) | st.text(max_size=4), min_size=1, max_size=6))
def test_given_words_come_back_one_for_one(client, words: list[str]) -> None:
    response = client.post("/v1/label", {"inputs": {"words": words}})
    if response.status_code != 200:
        assert response.json()["type"] == "urn:regard:invalid-input", response.text
        return
    labels = response.json()["results"][0]["labels"]["slots"]
    assert [(label["word"], label["text"]) for label in labels] == list(enumerate(words))
