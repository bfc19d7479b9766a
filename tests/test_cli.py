"""The `regard` command, from data to answers, as a user runs it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from model import checkpoint as checkpoints
from model.decode import TokenDecoder
from tests.conftest import SENTENCES, write_data, write_recipe


def regard(*arguments: object, given: str = "", **settings: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "regard", *map(str, arguments)],
        input=given,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with data/, tiny.toml, run/best.safetensors and bundles/tiny/."""
    folder = tmp_path_factory.mktemp("made")
    data = write_data(folder / "data")
    recipe = write_recipe(data, folder / "tiny.toml")
    recipe.write_text(recipe.read_text().replace("epochs = 3", "epochs = 40"))
    trained = regard("train", recipe, "--data", data, "--out", folder / "run")
    assert trained.returncode == 0, trained.stderr
    assert "exact_match 100.00" in trained.stdout
    best, bundle = folder / "run/best.safetensors", folder / "bundles/tiny"
    exported = regard("export", best, "--data", data, "--out", bundle, "--precision", "fp32,int8")
    assert exported.returncode == 0, exported.stderr
    assert "model.int8.onnx" in exported.stdout
    return folder


def test_evaluate_prints_metrics_and_records_those_of_the_test_split(made: Path) -> None:
    bundle = made / "bundles/tiny"
    done = regard("evaluate", bundle, "--data", made / "data", "--split", "test", "--record")
    metrics = json.loads(done.stdout)
    assert metrics["exact_match"] == 1.0
    assert json.loads((bundle / "manifest.json").read_text())["test"] == metrics


def test_predict_answers_lines_as_the_network_in_torch_does(made: Path) -> None:
    texts = [text for text, _, _ in SENTENCES]
    done = regard("predict", made / "bundles/tiny", given="\n".join(texts), REGARD_PRECISION="fp32")
    assert done.returncode == 0, done.stderr
    checkpoint = checkpoints.load(made / "run/best.safetensors")
    labels = {head.name: head.labels for head in checkpoint.network.config.heads}
    for text, line in zip(texts, done.stdout.splitlines(), strict=True):
        item = checkpoint.preprocessor().encode_text(text)
        token_ids = torch.from_numpy(item.token_ids)[None]
        with torch.inference_mode():
            output = checkpoint.network(
                {"token_ids": token_ids, "valid": torch.ones_like(token_ids, dtype=torch.bool)}
            )
        shares = output.logits["intent"][0].softmax(-1)
        (answer,) = json.loads(line)["results"]
        best = answer["classes"]["intent"][0]
        assert best["label"] == labels["intent"][shares.argmax()]
        assert best["score"] == pytest.approx(float(shares.max()), abs=1e-4)
        logits = output.logits["slots"][0, item.first].numpy()
        tags = [labels["slots"][i] for i in TokenDecoder(labels["slots"]).decode(logits)[0]]
        assert [word["label"] for word in answer["labels"]["slots"]] == tags


def test_predict_reads_json_lines_and_names_the_ones_that_fail(made: Path, tmp_path: Path) -> None:
    file = tmp_path / "inputs.jsonl"
    file.write_text(
        '{"words": ["rain", "in", "new york"]}\n'
        '{"inputs": "table in rome", "options": {"top_k": 2}}\n{"wrong": 1}\n""\n'
        '{"inputs": "table in rome", "model": "other"}\n'
    )
    done = regard("predict", made / "bundles/tiny", file)
    first, second, *wrong = map(json.loads, done.stdout.splitlines())
    (given,), (asked,) = first["results"], second["results"]
    assert [label["text"] for label in given["labels"]["slots"]] == ["rain", "in", "new york"]
    assert asked["classes"]["intent"][0]["label"] == "book"
    assert len(asked["classes"]["intent"]) == 2
    assert [problem["line"] for problem in wrong] == [3, 4, 5]
    assert [problem["type"].rpartition(":")[2] for problem in wrong] == [
        "invalid-request",
        "invalid-input",
        "unknown-model",
    ]
    assert done.returncode == 1
    assert done.stderr == "regard: 3 lines could not be answered\n"


def test_models_lists_what_would_be_served(made: Path) -> None:
    done = regard("models", REGARD_BUNDLES=str(made / "bundles"), COLUMNS="200")
    assert done.returncode == 0
    assert "tiny" in done.stdout
    assert "intent" in done.stdout


def test_models_are_found_by_name_in_any_of_the_folders(made: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(made / "bundles/tiny", newer)
    manifest = newer / "manifest.json"
    manifest.write_text(manifest.read_text("utf-8").replace('"version": "1"', '"version": "2"'))
    for folders, version in (
        (f"{tmp_path}:{made / 'bundles'}", "1"),
        (f"{newer}:{made / 'bundles'}", "2"),
    ):
        done = regard("predict", "tiny", given="table in rome", REGARD_BUNDLES=folders)
        assert json.loads(done.stdout)["version"] == version, done.stderr
        listed = regard("models", REGARD_BUNDLES=folders, COLUMNS="200").stdout
        assert re.search(rf"tiny\W+{version}\W", listed)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("train", "none.toml"), "none.toml"),
        (("export", "none.safetensors", "--out", "x"), "none.safetensors cannot be read"),
        (("evaluate", "none"), "none/manifest.json cannot be read"),
        (("predict", "none"), "there is no model 'none'"),
    ],
)
def test_an_error_is_one_line_and_exit_code_1(tmp_path: Path, arguments, told) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "regard", *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("regard: ")


def test_an_unknown_option_is_told_with_exit_code_2() -> None:
    assert regard("serve", "--nonsense").returncode == 2


def test_help_names_every_command() -> None:
    done = regard("--help")
    for command in ("train", "export", "evaluate", "predict", "models", "serve"):
        assert command in done.stdout
