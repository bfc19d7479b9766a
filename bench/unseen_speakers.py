"""Digits by a speaker who was not heard in training: six networks of one recipe, one a speaker.

python bench/unseen_speakers.py recipes/digits-speech.toml DATA OUT [SPEAKER ..]

Each is trained for all its epochs, and the last weights count: what the speaker said chooses
nothing.
"""

import json
import sys
from pathlib import Path

from model import recipe as recipes
from model.data import fsdd
from model.train import train

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")


def accuracy(recipe: recipes.Recipe, data: Path, out: Path, speaker: str) -> float:
    """Of the digits of all that `speaker` said, by a network that has heard the others only."""
    prepared = recipes.prepare(recipe, data)
    prepared.splits = fsdd.leave_out(data, speaker)
    train(recipe, prepared, out / speaker)
    last = (out / speaker / "metrics.jsonl").read_text("utf-8").splitlines()[-1]
    return json.loads(last)["digit.accuracy"]


if __name__ == "__main__":
    recipe, data, out = recipes.read(Path(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3])
    for speaker in sys.argv[4:] or SPEAKERS:
        print(f"{speaker} {accuracy(recipe, data, out, speaker):.4f}", flush=True)
