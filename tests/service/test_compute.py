"""Logits as they come from the graph, for protocols that make something else of them."""

import asyncio
from typing import Any

import numpy as np
import pytest

from service.caller import Caller
from service.errors import InvalidInput, InvalidRequest
from service.raw import Raw
from service.schemas import AttentionOptions, Options
from tests.service.conftest import TEXTS, torch_outputs


def compute(client, inputs, attention=None):
    predictor = client.app.state.registry.get("tiny")
    return client.run(predictor.compute(inputs, attention, Caller()))


def test_logits_are_those_of_the_network_whatever_else_is_asked(client, tiny) -> None:
    predictor = client.app.state.registry.get("tiny")

    async def beside() -> list:
        work = [predictor.compute([text], None, Caller()) for text in TEXTS]
        work += [
            predictor.predict(text, ("token", "sequence"), Options(), None, Caller())
            for text in TEXTS
        ]
        return await asyncio.gather(*work)

    answers = client.run(beside())
    for text, [(encoded, outputs)] in zip(TEXTS, answers, strict=False):
        expected, logits = torch_outputs(tiny, text)
        assert encoded.token_ids.tolist() == expected.token_ids.tolist()
        assert outputs.labels == outputs.classes == {}
        for name in ("slots", "intent"):
            np.testing.assert_allclose(outputs.logits[name], logits.logits[name][0], atol=1e-4)


def raw(ids: Any) -> Raw:
    return Raw({"token_ids": np.array(ids, np.int64)})


def test_token_ids_are_taken_as_they_are(client) -> None:
    [(encoded, of_text)] = compute(client, [TEXTS[0]], AttentionOptions())
    [(_, of_ids)] = compute(client, [raw(encoded.token_ids)], AttentionOptions())
    assert np.array_equal(of_text.logits["slots"], of_ids.logits["slots"])
    assert np.array_equal(of_text.attention["weights"], of_ids.attention["weights"])


@pytest.mark.parametrize("ids", [[], [-1], [2, 10**6], [1] * 42])
def test_token_ids_that_no_graph_could_take_are_refused(client, ids: list[int]) -> None:
    with pytest.raises(InvalidInput, match=r"inputs\.1: "):
        compute(client, ["noon", raw(ids)])


def test_attention_of_token_ids_knows_no_words(client) -> None:
    for options in ({"level": "word"}, {"special": "drop"}, {"query": {"start": 0, "end": 3}}):
        with pytest.raises(InvalidRequest, match=r"attention\.(level|special|query): .*inputs\.0 "):
            compute(client, [raw([2, 5, 3])], AttentionOptions(**options))
    for options in ({"kind": "rollout"}, {"query": "sequence"}, {"kind": "received"}):
        compute(client, [raw([2, 5, 3])], AttentionOptions(**options))
