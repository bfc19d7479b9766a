"""The shipped bundles are what their manifests and cards say. Needs the data: REGARD_DATA."""

import os
import tomllib
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from export.bundle import Manifest, Precision, attention_names, read_file, read_manifest
from export.runtime import Runner
from model.data.augment import typed_copy
from model.data.examples import Example, Splits
from model.data.files import read_splits
from model.evaluate import evaluate
from model.preprocess.batch import pad
from model.preprocess.text import TextPreprocessor, split_words

ROOT = Path(__file__).parent.parent
BUNDLES = sorted(path.parent for path in (ROOT / "bundles").glob("*/manifest.json"))
FP16_ROUNDING = 0.02  # of a logit
TYPED_LOSS = 0.01  # of any metric, on cased, punctuated and contracted text

needs_data = pytest.mark.skipif("REGARD_DATA" not in os.environ, reason="REGARD_DATA is not set")
each_bundle = pytest.mark.parametrize("folder", BUNDLES, ids=lambda path: path.name)


@cache
def data() -> Splits:
    manifest = read_manifest(BUNDLES[0])
    return read_splits(manifest.data, Path(os.environ["REGARD_DATA"]) / "snips")


@cache
def runner(folder: Path, precision: Precision = "int8") -> Runner:
    manifest = read_manifest(folder)
    graph = read_file(manifest, folder, manifest.graphs[precision].file)
    return Runner(graph, [head.name for head in manifest.heads], threads=1)


def preprocessor(manifest: Manifest, folder: Path) -> TextPreprocessor:
    tokenizer = read_file(manifest, folder, "tokenizer.json").decode()
    return TextPreprocessor(tokenizer, manifest.max_length)


def measure(
    folder: Path, examples: list[Example], precision: Precision = "int8"
) -> dict[str, float]:
    manifest, run = read_manifest(folder), runner(folder, precision)
    return evaluate(run, preprocessor(manifest, folder), manifest.heads, examples)


def test_both_models_are_shipped() -> None:
    assert [path.name for path in BUNDLES] == ["assistant", "assistant-small"]


@each_bundle
def test_the_card_claims_what_the_manifest_says(folder: Path) -> None:
    card = (folder / "README.md").read_text("utf-8")
    manifest = read_manifest(folder)
    names = ("intent.accuracy", "slots.f1", "exact_match")
    for metrics, prefix in (
        (manifest.test, ""),
        (manifest.test, "typed."),
        (manifest.graphs["int8"].dev, ""),
    ):
        row = " | ".join(f"{100 * metrics[prefix + name]:.1f}" for name in names)
        assert f"| {row} |" in card


@each_bundle
def test_every_file_matches_its_hash(folder: Path) -> None:
    manifest = read_manifest(folder)
    for name in manifest.files:
        read_file(manifest, folder, name)
    assert (folder / "README.md").is_file()


@each_bundle
def test_its_examples_are_those_of_its_recipe(folder: Path) -> None:
    manifest = read_manifest(folder)
    recipe = tomllib.loads((ROOT / "recipes" / f"{folder.name}.toml").read_text("utf-8"))
    assert manifest.examples == tuple(recipe["examples"])
    answered = preprocessor(manifest, folder).encode_text
    assert all(len(answered(example).token_ids) > 4 for example in manifest.examples)


@needs_data
@each_bundle
def test_int8_is_as_accurate_on_the_test_split_as_its_manifest_says(folder: Path) -> None:
    metrics = measure(folder, data().test)
    claimed = read_manifest(folder).test
    assert {name: claimed[name] for name in metrics} == pytest.approx(metrics, abs=0.002)


@needs_data
@each_bundle
def test_fp16_is_as_accurate_on_dev_as_its_manifest_says(folder: Path) -> None:
    claimed = read_manifest(folder).graphs["fp16"].dev
    assert measure(folder, data().dev, "fp16") == pytest.approx(claimed, abs=0.002)


@each_bundle
def test_fp16_answers_as_int8_does_and_alone_as_in_a_batch_within_rounding(folder: Path) -> None:
    manifest = read_manifest(folder)
    encoder, run = preprocessor(manifest, folder), runner(folder, "fp16")
    items = [encoder.encode_text(example) for example in manifest.examples]
    longer = encoder.encode_words(["a"] * 38)
    names = [*run.outputs, *attention_names(manifest.attention.layers)]
    together = run.run(pad([*items, longer]), names)
    for row, item in enumerate(items):
        alone, int8, n = run(pad([item])), runner(folder)(pad([item])), item.length
        assert np.abs(together["slots"][row, :n] - alone["slots"][0]).max() < FP16_ROUNDING
        assert np.abs(together["intent"][row] - alone["intent"][0]).max() < FP16_ROUNDING
        assert alone["intent"].argmax() == int8["intent"].argmax()
        assert (alone["slots"].argmax(-1) == int8["slots"].argmax(-1)).mean() > 0.8
        for name in attention_names(manifest.attention.layers):
            weights = together[name][row, :, :n]
            assert np.abs(weights.sum(-1) - 1).max() < 1e-3
            assert (weights[:, :, n:] == 0).all()


@needs_data
@each_bundle
def test_typed_text_costs_at_most_a_point(folder: Path) -> None:
    plain = read_manifest(folder).test
    for name, value in measure(folder, typed_copy(data().test, "slots")).items():
        assert value >= plain[name] - TYPED_LOSS, name


@needs_data
def test_typed_words_are_those_the_service_reads_from_their_text() -> None:
    for example in typed_copy(data().test, "slots"):
        text = " ".join(example.source)
        assert tuple(text[start:end] for start, end in split_words(text)) == example.source


@needs_data
@each_bundle
def test_every_test_utterance_answers_alone_as_in_any_batch_bit_for_bit(folder: Path) -> None:
    manifest, run = read_manifest(folder), runner(folder)
    encoder = preprocessor(manifest, folder)
    items = [encoder.encode(e.source) for e in data().test]
    alone = [run(pad([item])) for item in items]
    order = np.random.default_rng(0).permutation(len(items))
    for start in range(0, len(order), 16):
        chosen = order[start : start + 16]
        longer = encoder.encode_words(["a"] * (38 + start % 7))  # what the others are padded to
        together = run(pad([*(items[i] for i in chosen), longer]))
        for row, i in enumerate(chosen):
            assert (together["slots"][row, : items[i].length] == alone[i]["slots"][0]).all()
            assert (together["intent"][row] == alone[i]["intent"][0]).all()
