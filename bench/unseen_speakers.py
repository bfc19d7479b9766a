"""Digits by a speaker who was not heard in training: six networks of one recipe, one a speaker.

python bench/unseen_speakers.py recipes/digits-speech.toml DATA OUT [SPEAKER ..]

The last weights count: what the speaker said chooses nothing. Networks that were trained before
are not trained again; results/unseen_speakers.json is of all six.
"""

import json
import sys
from pathlib import Path
from statistics import mean

import machine
from model import recipe as recipes
from model.data import fsdd
from model.recipe import Recipe
from model.train import train

EPOCHS = 8  # fewer than the recipe has, to save time
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")


def accuracy(recipe: Recipe, data: Path, out: Path, speaker: str) -> float:
    """Of the digits of all that `speaker` said, by a network that has heard the others only."""
    prepared = recipes.prepare(recipe, data)
    prepared.splits = fsdd.leave_out(data, speaker)
    train(recipe, prepared, out / speaker)
    last = (out / speaker / "metrics.jsonl").read_text("utf-8").splitlines()[-1]
    return json.loads(last)["digit.accuracy"]


if __name__ == "__main__":
    recipe, data, out = recipes.read(Path(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3])
    training = recipe.training.model_copy(update={"epochs": EPOCHS})
    recipe = recipe.model_copy(update={"training": training})
    chosen = sys.argv[4:] or SPEAKERS
    found = {speaker: accuracy(recipe, data, out, speaker) for speaker in chosen}
    print(json.dumps(found, indent=1))
    if len(found) == len(SPEAKERS):
        results = {"epochs": EPOCHS, "digit.accuracy": found, "mean": mean(found.values())}
        machine.write("unseen_speakers", results)
