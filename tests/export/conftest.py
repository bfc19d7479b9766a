"""A tiny network trained until it knows its sentences, and its bundle."""

from pathlib import Path

import pytest

from export.export import export
from model.checkpoint import Checkpoint
from model.data.examples import Splits
from model.recipe import prepare
from model.train import train


@pytest.fixture(scope="session")
def trained(trainable, tmp_path_factory) -> tuple[Checkpoint, Splits]:
    """The checkpoint and the data it was trained on."""
    recipe, data = trainable(epochs=40)
    prepared = prepare(recipe, data)
    return train(recipe, prepared, tmp_path_factory.mktemp("run")), prepared.splits


@pytest.fixture(scope="session")
def bundle(trained: tuple[Checkpoint, Splits], tmp_path_factory) -> Path:
    """Its bundle, in every precision. Not to be changed: copy it."""
    checkpoint, splits = trained
    out = tmp_path_factory.mktemp("bundles") / "tiny"
    export(checkpoint, splits.dev, out, ("fp32", "fp16", "int8"))
    return out
