"""The attention that is answered is that of transformers, and bertviz and CircuitsVis take it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load

from model import pretrained
from model.config import HeadConfig, ModelConfig
from model.network import Network
from tests.service.conftest import Client, save_bundle

TEXTS = [
    "Wake me at seven tomorrow.",
    "What's the weather like in S\u00e3o Paulo, and will it rain on Saturday afternoon?",
    "stop",
]


@pytest.fixture(scope="module")
def minilm(make_client, backbone, tmp_path_factory) -> Client:
    """A service of the backbone that the shipped model is trained from, in fp32."""
    frontend, encoder = pretrained.read_config(backbone)
    head = HeadConfig(name="slots", kind="token", labels=("O", "B-x"))
    network = Network(ModelConfig(frontend=frontend, encoder=encoder, heads=(head,))).eval()
    pretrained.load_backbone(network, backbone)
    folder = tmp_path_factory.mktemp("backbone")
    save_bundle(folder / "minilm", network, (backbone / "tokenizer.json").read_text("utf-8"))
    return make_client(bundles=folder, default_model=None, max_batch_positions=512)


def ask(client: Client, **attention: Any) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Each text's answer but for its numbers, and these."""
    request = {"inputs": TEXTS, "attention": attention}
    file = client.post("/v1/attention", request, accept="application/vnd.safetensors").content
    size = int.from_bytes(file[:8], "little")
    answer = json.loads(json.loads(file[8 : 8 + size])["__metadata__"]["answer"])
    return [result["attention"] for result in answer["results"]], load(file)


def test_attention_over_http_equals_transformers(minilm: Client, backbone: Path) -> None:
    from transformers import AutoTokenizer, BertModel

    tokenizer = AutoTokenizer.from_pretrained(backbone)
    theirs = BertModel.from_pretrained(backbone, attn_implementation="eager").eval()
    answers, tensors = ask(minilm, layers="all")
    for index, (text, answer) in enumerate(zip(TEXTS, answers, strict=True)):
        encoded = tokenizer(text, return_tensors="pt")
        with torch.inference_mode():
            expected = torch.cat(theirs(**encoded, output_attentions=True).attentions)
        assert len(answer["positions"]) == encoded["input_ids"].shape[1]
        np.testing.assert_allclose(tensors[f"{index}.weights"], expected, atol=1e-4)
