"""The shipped bundles are what their manifests and cards say. Needs the data: REGARD_DATA."""

import os
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from export.bundle import TOKENIZER, Precision, attention_names, read_file, read_manifest
from export.runtime import Outputs, Runner
from model.data.augment import typed_copy
from model.data.examples import Example
from model.evaluate import evaluate
from model.preprocess.batch import Encoded, pad
from model.preprocess.graph import Graph
from model.preprocess.modalities import Preprocessor, make_preprocessor
from model.preprocess.text import split_words
from service.inputs import read_input
from service.schemas import Input
from tests.data_sets import splits

ROOT = Path(__file__).parent.parent
BUNDLES = sorted(path.parent for path in (ROOT / "bundles").glob("*/manifest.json"))
# What the card's table shows of each, in its order.
SHOWN = {
    "assistant": ("intent.accuracy", "slots.f1", "exact_match"),
    "assistant-small": ("intent.accuracy", "slots.f1", "exact_match"),
    "digits-image": ("digit.accuracy",),
    "digits-speech": (
        "digit.accuracy",
        "speaker.accuracy",
        "digits.error_rate",
        "frames.accuracy",
    ),
    "papers": ("topic.accuracy",),
    "pronounce": ("phonemes.error_rate", "phonemes.accuracy"),
    "solubility": ("solubility.rmse",),
}
TEXT = [folder for folder in BUNDLES if folder.name.startswith("assistant")]
TOO_LARGE = ("papers",)  # an input, to be an example: 1,433 numbers a paper
BYTES = 4_000_000  # of each of the others
SOME = 1_000  # inputs of a test split
FP16_ROUNDING = 0.02  # of a logit
TYPED_LOSS = 0.01  # of any metric, on cased, punctuated and contracted text

needs_data = pytest.mark.skipif("REGARD_DATA" not in os.environ, reason="REGARD_DATA is not set")
each_bundle = pytest.mark.parametrize("folder", BUNDLES, ids=lambda path: path.name)
each_text = pytest.mark.parametrize("folder", TEXT, ids=lambda path: path.name)


@cache
def runner(folder: Path, precision: Precision = "int8") -> Runner:
    manifest = read_manifest(folder)
    graph = read_file(manifest, folder, manifest.graphs[precision].file)
    return Runner(graph, [head.name for head in manifest.heads], threads=1)


@cache
def preprocessor(folder: Path) -> Preprocessor:
    manifest = read_manifest(folder)
    tokenizer = ""
    if TOKENIZER in manifest.files:
        tokenizer = read_file(manifest, folder, TOKENIZER).decode()
    return make_preprocessor(manifest.preprocess, manifest.max_length, tokenizer)


def examples_of(folder: Path) -> list[Encoded]:
    """Its examples, read as the service reads them."""
    manifest = read_manifest(folder)
    config, longest = manifest.preprocess, manifest.max_length
    given = TypeAdapter(list[Input]).validate_python(list(manifest.examples))
    return [preprocessor(folder).encode(read_input(config, longest, one)) for one in given]


def measure(
    folder: Path, examples: Sequence[Example], precision: Precision = "int8"
) -> dict[str, float]:
    run = runner(folder, precision)
    return evaluate(run, preprocessor(folder), read_manifest(folder).heads, examples)


def row(metrics: dict[str, float], names: Sequence[str], prefix: str = "") -> str:
    """Of the card's table: root mean square errors as they are, all else in percent."""
    values = [(name, metrics[prefix + name]) for name in names]
    cells = [f"{v:.3f}" if name.endswith("rmse") else f"{100 * v:.1f}" for name, v in values]
    return f"| {' | '.join(cells)} |"


def test_every_model_is_shipped() -> None:
    assert [path.name for path in BUNDLES] == list(SHOWN)


@each_bundle
def test_the_card_claims_what_the_manifest_says(folder: Path) -> None:
    card, manifest = (folder / "README.md").read_text("utf-8"), read_manifest(folder)
    names = SHOWN[folder.name]
    assert row(manifest.test, names) in card
    assert row(manifest.graphs["int8"].dev, names) in card


@each_text
def test_the_card_claims_what_was_measured_on_typed_text(folder: Path) -> None:
    card, manifest = (folder / "README.md").read_text("utf-8"), read_manifest(folder)
    assert row(manifest.test, SHOWN[folder.name], "typed.") in card


@each_bundle
def test_every_file_matches_its_hash(folder: Path) -> None:
    manifest = read_manifest(folder)
    for name in manifest.files:
        read_file(manifest, folder, name)
    assert {path.name for path in folder.iterdir()} == {
        *manifest.files,
        "manifest.json",
        "README.md",
    }


@each_bundle
def test_it_is_small(folder: Path) -> None:
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert folder in TEXT or size <= BYTES


@each_bundle
def test_its_examples_are_those_of_its_recipe(folder: Path) -> None:
    manifest = read_manifest(folder)
    recipe = tomllib.loads((ROOT / "recipes" / f"{folder.name}.toml").read_text("utf-8"))
    assert manifest.examples == tuple(recipe.get("examples", ()))


@pytest.mark.parametrize("folder", [f for f in BUNDLES if f.name not in TOO_LARGE])
def test_its_examples_answer_alone_as_together_bit_for_bit(folder: Path) -> None:
    items, run = examples_of(folder), runner(folder)
    assert len(items) > 1
    same_as_alone(run, [run(pad([item])) for item in items], items, range(len(items)))


@needs_data
@each_bundle
def test_int8_is_as_accurate_on_the_test_split_as_its_manifest_says(folder: Path) -> None:
    manifest = read_manifest(folder)
    metrics = measure(folder, splits(manifest.data.reader).test)
    assert {name: manifest.test[name] for name in metrics} == pytest.approx(metrics, abs=0.002)


@needs_data
@each_text
def test_fp16_is_as_accurate_on_dev_as_its_manifest_says(folder: Path) -> None:
    manifest = read_manifest(folder)
    found = measure(folder, splits(manifest.data.reader).dev, "fp16")
    assert found == pytest.approx(manifest.graphs["fp16"].dev, abs=0.002)


@each_text
def test_fp16_answers_as_int8_does_and_alone_as_in_a_batch_within_rounding(folder: Path) -> None:
    layers, run = read_manifest(folder).attention.layers, runner(folder, "fp16")
    items = examples_of(folder)
    longer = preprocessor(folder).encode(("a",) * 38)
    names = [*run.outputs, *attention_names(layers)]
    together = run.run(pad([*items, longer]), names)
    for index, item in enumerate(items):
        alone, int8, n = run(pad([item])), runner(folder)(pad([item])), item.length
        assert np.abs(together["slots"][index, :n] - alone["slots"][0]).max() < FP16_ROUNDING
        assert np.abs(together["intent"][index] - alone["intent"][0]).max() < FP16_ROUNDING
        assert alone["intent"].argmax() == int8["intent"].argmax()
        assert (alone["slots"].argmax(-1) == int8["slots"].argmax(-1)).mean() > 0.8
        for name in attention_names(layers):
            weights = together[name][index, :, :n]
            assert np.abs(weights.sum(-1) - 1).max() < 1e-3
            assert (weights[:, :, n:] == 0).all()


@needs_data
@each_text
def test_typed_text_costs_at_most_a_point(folder: Path) -> None:
    plain = read_manifest(folder).test
    for name, value in measure(folder, typed_copy(splits("snips").test, "slots")).items():
        assert value >= plain[name] - TYPED_LOSS, name


@needs_data
def test_typed_words_are_those_the_service_reads_from_their_text() -> None:
    for example in typed_copy(splits("snips").test, "slots"):
        text = " ".join(example.source)
        assert tuple(text[start:end] for start, end in split_words(text)) == example.source


@needs_data
@each_bundle
def test_every_test_input_answers_alone_as_in_any_batch_bit_for_bit(folder: Path) -> None:
    run, examples = runner(folder), splits(read_manifest(folder).data.reader).test[:SOME]
    items = [preprocessor(folder).encode(example.source) for example in examples]
    alone = [run(pad([item])) for item in items]
    order = np.random.default_rng(0).permutation(len(items))
    for start in range(0, len(order), 16):
        same_as_alone(run, alone, items, order[start : start + 16])


@needs_data
def test_a_paper_is_answered_from_two_steps_around_it_as_from_the_whole_graph() -> None:
    folder = ROOT / "bundles" / "papers"
    graph, run = splits("cora").test[0].source, runner(folder)
    whole = run(pad([preprocessor(folder).encode(graph)]))["topic"][0]
    edges = np.asarray(graph.edges)
    for paper in (0, 5, 1_234, 2_707):
        near = {paper}
        for _ in range(read_manifest(folder).attention.layers):
            near |= set(edges[np.isin(edges, [*near]).any(axis=1)].flatten().tolist())
        nodes = np.array(sorted(near))
        inside = np.isin(edges, nodes).all(axis=1)
        part = Graph(graph.nodes[nodes], np.searchsorted(nodes, edges[inside]))
        found = run(pad([preprocessor(folder).encode(part)]))["topic"][0]
        place = int(np.searchsorted(nodes, paper))
        np.testing.assert_allclose(found[place], whole[paper], atol=0.05)


def same_as_alone(
    run: Runner, alone: list[Outputs], items: list[Encoded], chosen: Sequence[int]
) -> None:
    """Those chosen, beside the longest of all, answer as each did alone."""
    longest = max(items, key=lambda item: item.length)
    together = run(pad([*(items[i] for i in chosen), longest]))
    for place, i in enumerate(chosen):
        for name, expected in alone[i].items():
            found = together[name][place]
            if expected.ndim > 2:
                found = found[: items[i].length]
            assert (found == expected[0]).all(), name
