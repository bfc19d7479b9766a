"""Readings in units of their own, from CSV files to the graphs."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from export import verify
from export.bundle import read_file, read_manifest
from export.export import export
from export.runtime import Runner
from export.to_onnx import to_onnx
from model.config import ColumnsConfig
from model.errors import DataError
from model.network import Network
from model.preprocess.batch import pad
from model.recipe import Recipe, prepare
from model.train import torch_run, train

RECIPE = {
    "name": "pipes",
    "description": "For tests",
    "license": "MIT",
    "preprocess": {"modality": "vectors", "features": 3, "standardise": True},
    "frontend": {"max_length": 20},
    "encoder": {"layers": 2, "heads": 4, "d_model": 20, "d_hidden": 37, "dropout": 0.0},
    "heads": [{"name": "leak", "kind": "sequence", "pool": "mean"}],
    "training": {"epochs": 20, "batch_size": 8, "learning_rate": 1e-2},
}
COLUMNS = {
    "sequence": "run",
    "order": "t",
    "features": ["pascal", "strain", "always"],
    "targets": {"leak": "sequence"},
}


def write(path: Path, rng: np.random.Generator) -> None:
    """Pressures of 1e5, strains of 1e-3 whose sign is the label, and a column that is constant."""
    lines = ["run,t,pascal,strain,always,leak"]
    for run in range(40):
        leak = run % 2
        for t in range(3 + run % 4):
            strain = (2 * leak - 1) * rng.uniform(2e-4, 2e-3)
            lines.append(f"{run},{t},{101325 + rng.normal(0, 5):.3f},{strain:.6f},0.1,{leak}")
    path.write_text("\n".join(lines))


def make_recipe(folder: Path, **changes: object) -> Recipe:
    files = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.glob("*.csv")}
    about = {"name": "Pipes", "license": "CC0-1.0", "reader": "csv_vectors"}
    return Recipe.model_validate(
        RECIPE | {"data": about | {"files": files, "columns": COLUMNS}} | changes
    )


@pytest.fixture(scope="module")
def pipes(tmp_path_factory) -> SimpleNamespace:
    """recipe, its data, and the trained checkpoint."""
    folder = tmp_path_factory.mktemp("pipes")
    for seed, name in enumerate(("train", "dev", "test")):
        write(folder / f"{name}.csv", np.random.default_rng(seed))
    recipe = make_recipe(folder)
    prepared = prepare(recipe, folder)
    best = train(recipe, prepared, folder / "run")
    return SimpleNamespace(recipe=recipe, splits=prepared.splits, best=best, folder=folder)


def test_mean_and_deviation_are_those_of_the_training_rows(pipes) -> None:
    rows = np.concatenate([example.source for example in pipes.splits.train]).astype(np.float64)
    for network in (prepare(pipes.recipe, pipes.folder).checkpoint.network, pipes.best.network):
        np.testing.assert_allclose(network.frontend.mean, rows.mean(0), rtol=1e-6)
        np.testing.assert_allclose(network.frontend.deviation[:2], rows.std(0)[:2], rtol=1e-6)
        assert network.frontend.deviation[2] == 1


def test_a_network_that_is_given_standard_rows_answers_the_same(pipes) -> None:
    config = pipes.best.network.config
    preprocess = config.preprocess.model_copy(update={"standardise": False})
    plain = Network(config.model_copy(update={"preprocess": preprocess})).eval()
    weights = pipes.best.network.state_dict()
    mean, deviation = (weights.pop(f"frontend.{name}") for name in ("mean", "deviation"))
    plain.load_state_dict(weights)
    source = torch.from_numpy(pipes.splits.test[3].source)[None]
    valid = torch.ones(source.shape[:2], dtype=torch.bool)
    with torch.inference_mode():
        raw = pipes.best.network({"vectors": source, "valid": valid}).logits["leak"]
        standard = {"vectors": (source - mean) / deviation, "valid": valid}
        torch.testing.assert_close(raw, plain(standard).logits["leak"])


def test_small_and_large_units_are_learned_and_survive_int8(pipes) -> None:
    out = pipes.folder / "bundles" / "pipes"
    manifest = export(pipes.best, pipes.splits.dev, out, ("fp32", "int8"))
    assert read_manifest(out) == manifest
    assert manifest.data.columns == ColumnsConfig.model_validate(COLUMNS)
    encode = pipes.best.preprocessor().encode
    inputs = pad([encode(example.source) for example in pipes.splits.test])
    labels = [int(example.targets["leak"]) for example in pipes.splits.test]
    expected = torch_run(pipes.best.network)(inputs)["leak"]
    for precision, within in (("fp32", 1e-4), ("int8", 0.2)):
        run = Runner(read_file(manifest, out, manifest.graphs[precision].file), ["leak"])
        found = run(inputs)["leak"]
        np.testing.assert_allclose(found, expected, atol=within)
        assert found.argmax(-1).tolist() == labels


def test_readings_that_fp16_cannot_hold_are_told(pipes, tmp_path) -> None:
    graph = to_onnx(pipes.best.network, tmp_path / "graph.onnx")
    with pytest.raises(verify.ParityError, match="fp16 has no room for vectors: 1013"):
        verify.check_range(graph, pipes.best, pipes.splits.dev)


def test_a_sequence_that_is_too_long_is_told_before_anything_is_learned(pipes) -> None:
    with pytest.raises(DataError, match=r"a sequence has 6 positions; frontend\.max_length is 5"):
        prepare(make_recipe(pipes.folder, frontend={"max_length": 5}), pipes.folder)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"preprocess": {"modality": "vectors", "features": 2}}, "preprocess.features must be, to"),
        ({"heads": [{"name": "leak", "kind": "value"}]}, 'targets needs leak = "value"'),
        ({"heads": [{"name": "burst", "kind": "token"}]}, 'targets needs burst = "token"'),
        ({"data": {"reader": "snips", "columns": COLUMNS}}, "goes with the reader csv_vectors"),
        ({"data": {"reader": "csv_vectors"}}, "goes with the reader csv_vectors"),
    ],
)
def test_columns_and_the_rest_of_a_recipe_fit(pipes, changes: dict, told: str) -> None:
    if "data" in changes:
        changes = {"data": {"name": "x", "license": "MIT", "files": {}} | changes["data"]}
    with pytest.raises(ValueError, match=told):
        make_recipe(pipes.folder, **changes)
