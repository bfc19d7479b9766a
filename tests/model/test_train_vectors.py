"""Training of networks that take no text, from files as they are published."""

import gzip
import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from model import recipe as recipes
from model import train as training
from model.config import ModelConfig
from model.data import cora, esol, mnist
from model.evaluate import evaluate
from model.frontends import make_frontend
from model.network import Network
from model.preprocess.batch import pad
from model.preprocess.graph import Graph, GraphPreprocessor
from model.recipe import Recipe
from model.train import torch_run
from tests import planetoid

ENCODER = {"layers": 2, "heads": 4, "d_model": 20, "d_hidden": 37, "dropout": 0.0, "norm": "pre"}
TRAINING = {"batch_size": 4, "learning_rate": 1e-2, "average": 0.9}
IMAGES = {
    "preprocess": {"modality": "image", "rows": 6, "columns": 6, "patch": 4, "stride": 2},
    "frontend": {"max_length": 4, "positions": "learned"},
    "heads": [{"name": "digit", "kind": "sequence", "pool": "mean"}],
    "augment": {"warp": 0.1},
    "training": TRAINING | {"epochs": 10},
}
PAPERS = {
    "preprocess": {"modality": "graph", "features": 12, "max_edges": 400},
    "frontend": {"max_length": 40, "positions": "none", "hide": 0.2},
    "heads": [{"name": "topic", "kind": "token"}],
    "training": {
        "batch_size": 1,
        "learning_rate": 1e-2,
        "epochs": 30,
        "consistency": 1.0,
        "choose": "topic.accuracy",
    },
}
MOLECULES = {
    "preprocess": {"modality": "graph", "features": 25, "hub": True, "max_edges": 80},
    "frontend": {"max_length": 20, "positions": "none"},
    "heads": [{"name": "solubility", "kind": "value"}],
    "training": TRAINING | {"epochs": 30, "choose": "solubility.rmse"},
}


def make_recipe(reader: str, folder: Path, parts: dict) -> Recipe:
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    url = "http://localhost/data"
    data = {"name": reader, "license": "MIT", "reader": reader, "url": url, "files": files}
    about = {"name": reader, "description": "For tests", "license": "MIT"}
    return Recipe.model_validate(about | {"data": data, "encoder": ENCODER} | parts)


def fit(recipe: Recipe, data: Path, out: Path) -> list[dict]:
    """The lines of metrics of a finished run, whose checkpoint answers as it says."""
    prepared = recipes.prepare(recipe, data)
    best = training.train(recipe, prepared, out)
    heads = best.network.config.heads
    found = evaluate(torch_run(best.network), best.preprocessor(), heads, prepared.splits.dev)
    assert found == best.about["dev"]
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def idx(array: np.ndarray) -> bytes:
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


def test_learns_which_side_of_an_image_is_white(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "DEV", 8)
    data = tmp_path / "data"
    data.mkdir()
    sides = np.arange(40) % 2
    images = np.zeros((40, 6, 6), np.uint8)
    images[sides == 0, :, :3] = images[sides == 1, :, 3:] = 255
    for name in ("train", "t10k"):
        (data / f"{name}-images-idx3-ubyte.gz").write_bytes(idx(images))
        (data / f"{name}-labels-idx1-ubyte.gz").write_bytes(idx(sides.astype(np.uint8)))
    rows = fit(make_recipe("mnist", data, IMAGES), data, tmp_path / "run")
    assert rows[-1]["digit.accuracy"] == 1.0


def test_learns_the_number_of_oxygens_of_a_molecule(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    rings = [f"C1{'C' * size}C1" for size in range(1, 11)]
    molecules = [f"{'O' * oxygens}{ring}" for ring in rings for oxygens in range(3)]
    lines = [f"Compound ID,{esol.MEASURED},smiles"]
    lines += [f"{i},{smiles.count('O')},{smiles}" for i, smiles in enumerate(molecules)]
    (data / esol.NAME).write_text("\n".join(lines), "utf-8")
    rows = fit(make_recipe("esol", data, MOLECULES), data, tmp_path / "run")
    assert rows[-1]["solubility.rmse"] < 0.5 < rows[0]["solubility.rmse"]


def test_learns_the_topic_of_papers_of_which_few_are_labelled(tmp_path, monkeypatch):
    """Two topics that seldom cite each other; a paper has few words, its neighbours more."""
    monkeypatch.setattr(cora, "TRAIN", range(6))
    monkeypatch.setattr(cora, "DEV", range(6, 26))
    rng = np.random.default_rng(7)
    topics, test = np.arange(36) % 2, np.arange(26, 36)
    words = (rng.random((36, 12)) < 0.15 + 0.25 * (np.arange(12) % 2 == topics[:, None])) * 1.0
    cites = {i: rng.choice(np.flatnonzero(topics == topics[i]), 3).tolist() for i in range(36)}
    data = tmp_path / "data"
    data.mkdir()
    planetoid.write(data, words, topics, cites, test.tolist())
    rows = fit(make_recipe("cora", data, PAPERS), data, tmp_path / "run")
    assert max(row["topic.accuracy"] for row in rows) >= 0.95
    assert rows[0]["topic.accuracy"] < 0.9


def test_a_hidden_vector_is_hidden_in_training_only(seeded):
    recipe = PAPERS | {"frontend": PAPERS["frontend"] | {"hide": 0.4, "positions": "none"}}
    heads = [{"name": "topic", "kind": "token", "labels": ["a", "b"]}]
    encoder = ENCODER | {"dropout": 0.0}
    config = {"preprocess": recipe["preprocess"], "frontend": recipe["frontend"]}
    made = make_frontend(ModelConfig.model_validate(config | {"encoder": encoder, "heads": heads}))
    vectors = torch.randn(50, 40, 12)
    hidden = made({"vectors": vectors})
    nothing = made.place(made.project(torch.zeros(12)).expand(50, 40, -1))
    gone = (hidden == nothing).all(-1)
    assert 0.3 < gone.float().mean() < 0.5
    kept = made.place(made.project(vectors / 0.6))
    torch.testing.assert_close(hidden[~gone], kept[~gone])
    made.eval()
    torch.testing.assert_close(made({"vectors": vectors}), made.place(made.project(vectors)))


@pytest.mark.parametrize("patch", [5, 9])
def test_patches_must_end_where_the_image_does(patch, tmp_path):
    wrong = IMAGES | {"preprocess": IMAGES["preprocess"] | {"patch": patch}}
    with pytest.raises(ValueError, match=f"patches of {patch}, every 2, do not end"):
        make_recipe("mnist", tmp_path, wrong)


def test_a_node_is_answered_from_its_neighbourhood_alone(seeded):
    """As far as there are layers; a service need not be sent the whole graph."""
    heads = [{"name": "topic", "kind": "token", "labels": ["a", "b", "c"]}]
    parts = {name: PAPERS[name] for name in ("preprocess", "frontend")}
    config = ModelConfig.model_validate(parts | {"encoder": ENCODER, "heads": heads})
    network, preprocessor = Network(config).eval(), GraphPreprocessor(config.preprocess, 40)
    rng = np.random.default_rng(7)
    nodes, edges = rng.random((40, 12), np.float32), rng.integers(0, 40, (45, 2))
    run = torch_run(network)
    whole = run(pad([preprocessor.encode(Graph(nodes, edges))]))["topic"][0]
    sizes = []
    for node in range(40):
        near = {node}
        for _ in range(ENCODER["layers"]):
            near |= {j for pair in edges.tolist() for j in pair if near & {*pair}}
        places = {one: place for place, one in enumerate(sorted(near))}
        inside = [[places[i], places[j]] for i, j in edges.tolist() if {i, j} <= near]
        part = Graph(nodes[sorted(near)], np.array(inside, np.int64).reshape(-1, 2))
        alone = run(pad([preprocessor.encode(part)]))["topic"][0]
        np.testing.assert_allclose(alone[places[node]], whole[node], atol=1e-5)
        sizes.append(len(near))
    assert min(sizes) < 5
    assert max(sizes) < 40
