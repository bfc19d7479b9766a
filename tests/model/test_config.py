import pytest
from pydantic import ValidationError

from model.config import EncoderConfig, FrontendConfig, HeadConfig, ModelConfig
from model.training_config import TrainConfig

SIZES = {"layers": 2, "heads": 4, "d_model": 20, "d_hidden": 37}


def test_model_config_survives_json(tiny):
    config = tiny("learned", norm="pre", score="additive")
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config


def test_configs_cannot_be_changed(tiny):
    with pytest.raises(ValidationError, match="frozen"):
        tiny().encoder.layers = 3


def test_unknown_key_is_named():
    with pytest.raises(ValidationError, match="d_feed_forward"):
        EncoderConfig(**SIZES, d_feed_forward=1)


def test_heads_must_divide_d_model():
    with pytest.raises(ValidationError, match="d_model=20 is not a multiple of heads=3"):
        EncoderConfig(**SIZES | {"heads": 3})


@pytest.mark.parametrize(
    ("config", "values", "field"),
    [
        (EncoderConfig, SIZES | {"layers": 0}, "layers"),
        (EncoderConfig, SIZES | {"dropout": 1.0}, "dropout"),
        (EncoderConfig, SIZES | {"score": "cosine"}, "score"),
        (FrontendConfig, {"vocabulary": 23, "max_length": 0}, "max_length"),
        (HeadConfig, {"name": "Slots", "kind": "token", "labels": ("O", "B-x")}, "name"),
        (HeadConfig, {"name": "slots", "kind": "token", "labels": ("O",)}, "labels"),
        (HeadConfig, {"name": "slots", "kind": "token", "labels": ("O", "a", "O")}, "labels"),
        (TrainConfig, {"epochs": 1, "batch_size": 1, "learning_rate": 0}, "learning_rate"),
    ],
)
def test_value_out_of_range_is_refused_by_name(config, values, field):
    with pytest.raises(ValidationError) as caught:
        config(**values)
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]


def test_two_heads_of_one_name_are_refused(tiny):
    config = tiny()
    with pytest.raises(ValidationError, match=r"names given twice: \['slots'\]"):
        ModelConfig(frontend=config.frontend, encoder=config.encoder, heads=config.heads[:1] * 2)


def test_vocabulary_of_a_spelling_is_that_of_its_letters(tiny):
    config = tiny().model_dump() | {
        "preprocess": {"modality": "spelling", "letters": "abc", "repeat": 2}
    }
    config["frontend"]["vocabulary"] = 13
    assert ModelConfig.model_validate(config).preprocess.tokens == 13
    config["frontend"]["vocabulary"] = 12
    with pytest.raises(ValidationError, match=r"these letters need frontend\.vocabulary = 13"):
        ModelConfig.model_validate(config)


@pytest.mark.parametrize("layers", [(0,), (1, 2)])
def test_feedback_comes_from_between_the_layers(tiny, layers):
    config = tiny().model_dump()
    config["heads"] = [{"name": "said", "kind": "ctc", "labels": ("_", "a"), "feedback": layers}]
    with pytest.raises(ValidationError, match="feedback of said is from 1 to 1"):
        ModelConfig.model_validate(config)


def test_only_a_ctc_head_gives_feedback():
    with pytest.raises(ValidationError, match="a token head gives no feedback"):
        HeadConfig(name="slots", kind="token", labels=("O", "a"), feedback=(1,))
