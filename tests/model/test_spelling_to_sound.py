import hashlib
import itertools
from pathlib import Path

from model import recipe as recipes
from model import train as training
from model.data import cmudict
from model.evaluate import evaluate
from model.train import torch_run

ROOT = Path(__file__).parents[2]
SOUNDS = {"a": "AH ", "b": "B IY ", "c": ""}  # one, two, or none


def sounds(word: str) -> str:
    return "".join(map(SOUNDS.get, word)).strip()


def test_a_network_learns_to_say_more_or_less_than_there_are_letters(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cmudict, "DEV_WORDS", 100)
    words = ["".join(w) for n in range(2, 6) for w in itertools.product("abc", repeat=n)]
    lines = [f"{word}\t{sounds(word)}\n" for word in words if sounds(word)]
    (tmp_path / "g014b2b.train").write_text("".join(lines), "utf-8")
    (tmp_path / "g014b2b.ref").write_text("bab\tB IY AH B IY\tB AE B\n", "utf-8")
    hashes = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in tmp_path.iterdir()}
    made = recipes.read(ROOT / "recipes" / "pronounce.toml").model_dump()
    made["data"]["files"] = hashes
    made["encoder"] |= {"layers": 2, "heads": 4, "d_model": 32, "d_hidden": 64, "dropout": 0.0}
    made["heads"][0]["feedback"] = (1,)
    made["training"] |= {"epochs": 3, "batch_size": 8, "learning_rate": 5e-3, "average": 0.9}
    recipe = recipes.Recipe.model_validate(made)
    prepared = recipes.prepare(recipe, tmp_path)
    assert prepared.checkpoint.network.config.heads[0].labels == ("_", "AH", "B", "IY")
    trained = training.train(recipe, prepared, tmp_path / "run")
    heads = trained.network.config.heads
    found = evaluate(torch_run(trained.network), trained.preprocessor(), heads, prepared.splits.dev)
    assert found["phonemes.accuracy"] > 0.9
    assert found["phonemes.error_rate"] < 0.05
    assert found["exact_match"] == found["phonemes.accuracy"]
