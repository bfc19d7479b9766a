"""Whatever is asked for of attention is what plain loops make of all the weights."""

import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from export.bundle import MAX_FULL_POSITIONS
from service.attention import kinds
from service.attention.encoding import to_json
from tests.service.conftest import HEADS, LAYERS, TEXTS

EXACT = {"float32": 1e-6, "float16": 5e-4}
TEXT = "Will it RAIN in new york, zzz?"
WORDS = {"words": ["Will", "\u200b", "it rain", "new-york"]}


def indices(size: int) -> st.SearchStrategy[list[int]]:
    return st.lists(
        st.integers(-size, size - 1), min_size=1, max_size=3, unique_by=lambda index: index % size
    )


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "layers": st.just("all") | indices(LAYERS),
        "heads": st.sampled_from(["all", "mean"]) | indices(HEADS),
        "kind": st.sampled_from(["weights", "rollout", "received", "entropy"]),
        "level": st.sampled_from(["position", "word"]),
        "special": st.sampled_from(["keep", "drop"]),
        "query": st.sampled_from(["all", "sequence", {"first_word": 1, "last_word": 2}]),
        "top_k": st.integers(1, 9),
        "dtype": st.sampled_from(["float32", "float16"]),
    },
)


def is_allowed(options: dict[str, Any]) -> bool:
    kind = options.get("kind", "weights")
    return not (
        (kind == "rollout" and isinstance(options.get("heads"), list))
        or ("top_k" in options and kind in ("received", "entropy"))
        or (options.get("special") == "drop" and options.get("query") == "sequence")
    )


def ask(client, source: Any, options: dict[str, Any]) -> dict[str, Any]:
    request = {"inputs": source, "attention": options}
    return client.ask("/v1/attention", request)["results"][0]["attention"]


def pick(axis: list, asked: Any) -> list:
    return axis if asked == "all" else [axis[index] for index in asked]


def groups_of(positions: list[dict], level: str) -> list[list[int]]:
    """Which positions are one row and one column."""
    if level == "position":
        return [[index] for index in range(len(positions))]
    groups: dict[Any, list[int]] = {}
    for index, position in enumerate(positions):
        groups.setdefault(position.get("word", f"special {index}"), []).append(index)
    return list(groups.values())


def rows_of(layer: list, groups: list[list[int]], rows: list[int], drop: bool) -> list:
    """One attention head's rows: merged, special ones dropped, renormalised."""
    merged = [
        [
            sum(layer[query][key] for query in groups[row] for key in keys) / len(groups[row])
            for keys in groups
        ]
        for row in rows
    ]
    if drop:
        merged = [row[1:-1] for row in merged]
        merged = [[weight / sum(row) for weight in row] for row in merged]
    return merged


def roll(layers: list) -> list:
    """Abnar and Zuidema 2020: the product of 0.5 * mean + 0.5 * identity, layer by layer."""
    found, product = [], np.eye(len(layers[0][0]))
    for heads in layers:
        product = (0.5 * np.mean(heads, axis=0) + 0.5 * np.eye(len(product))) @ product
        found.append([product.tolist()])
    return found


def expect(full: dict[str, Any], options: dict[str, Any]) -> tuple[list[int], list]:
    """The rows, and [layer][head][row][key] before the kind is applied."""
    weights, positions = full["weights"], full["positions"]
    if options.get("kind") == "rollout":
        layers = roll(weights)
    elif options.get("heads", "all") == "mean":
        layers = [[np.mean(heads, axis=0).tolist()] for heads in weights]
    else:
        layers = [pick(heads, options.get("heads", "all")) for heads in weights]
    layers = pick(layers, options.get("layers", [-1]))
    groups = groups_of(positions, options.get("level", "position"))
    drop = options.get("special") == "drop"
    query = options.get("query", "all")
    rows = list(range(len(groups)))[1:-1] if drop else list(range(len(groups)))
    if query == "sequence":
        rows = [0]
    elif query != "all":
        rows = [r for r in rows if positions[groups[r][0]].get("word") in (1, 2)]
    return [row - drop for row in rows], [
        [rows_of(head, groups, rows, drop) for head in heads] for heads in layers
    ]


@profile(max_examples=150)
@given(OPTIONS.filter(is_allowed), st.sampled_from([TEXT, WORDS, "noon", *TEXTS]))
def test_every_answer_is_that_of_plain_loops(client, options: dict[str, Any], source: Any) -> None:
    if "query" in options and source in ("noon", "it"):
        options = options | {"query": "all"}
    full = ask(client, source, {"layers": "all"})
    answer = ask(client, source, options)
    kind = options.get("kind", "weights")
    rows, expected = expect(full, options)
    exact = EXACT[options.get("dtype", "float32")]
    assert answer["kind"] == kind
    if options.get("query", "all") == "all":
        assert "query" not in answer
    else:
        assert answer["query"] == rows
    size = len(answer["positions"])
    assert all(len(row) == size for heads in expected for head in heads for row in head)
    if kind == "received":
        assert np.array(answer["received"]) == pytest.approx(np.mean(expected, 2), abs=exact)
        return
    if kind == "entropy":
        nats = -np.sum(np.array(expected) * np.log(expected), axis=-1)
        assert np.array(answer["entropy"]) == pytest.approx(nats, abs=5 * exact)
        return
    found = np.array(answer["weights"])
    if "top_k" in options:
        k = min(options["top_k"], size)
        largest = -np.sort(-np.array(expected), axis=-1)[..., :k]
        assert found == pytest.approx(largest, abs=exact)
        named = np.take_along_axis(np.array(expected), np.array(answer["keys"]), -1)
        assert named == pytest.approx(found, abs=exact)
        assert all(len(set(row)) == k for row in np.array(answer["keys"]).reshape(-1, k).tolist())
    else:
        assert found == pytest.approx(np.array(expected), abs=exact)
        assert found.sum(-1) == pytest.approx(1, abs=1e-3)


SHAPE = st.tuples(st.just(2), st.integers(1, 9), st.integers(1, 9))
WEIGHTS = arrays(np.float32, SHAPE, elements=st.floats(0, 1, width=32))


@given(arrays(np.float32, st.integers(1, 99), elements=st.floats(0, 9, width=32)))
def test_float16_is_rounded_as_numpy_rounds(numbers: np.ndarray) -> None:
    assert kinds.to_half(numbers).tobytes() == numbers.astype(np.float16).tobytes()


def test_every_float16_stays_what_it_is_and_halves_go_to_even() -> None:
    every = np.arange(0x4800, dtype=np.uint16).view(np.float16).astype(np.float32)  # 0 to 8
    middles = (every[1:] + every[:-1]) / 2
    for numbers in (every, middles, np.nextafter(middles, 0), np.nextafter(middles, 9)):
        numbers = numbers.astype(np.float32)
        assert kinds.to_half(numbers).tobytes() == numbers.astype(np.float16).tobytes()


@given(WEIGHTS, st.integers(1, 12))
def test_the_largest_are_those_of_a_sort(weights: np.ndarray, k: int) -> None:
    found, keys = kinds.largest(weights, k)
    np.testing.assert_array_equal(found, -np.sort(-weights, axis=-1)[..., :k])
    np.testing.assert_array_equal(np.take_along_axis(weights, keys, -1), found)
    assert all(len(set(row)) == len(row) for row in keys.reshape(-1, keys.shape[-1]).tolist())
    ties = (found[..., 1:] == found[..., :-1]) & (keys[..., 1:] <= keys[..., :-1])
    assert not ties.any(), "of equal weights the first comes first"


@given(WEIGHTS, st.data())
def test_groups_are_added(weights: np.ndarray, data: st.DataObject) -> None:
    size = weights.shape[-1]
    starts = [0, *sorted(data.draw(st.sets(st.integers(1, max(1, size - 1)), max_size=size)))]
    starts = [start for start in starts if start < size]
    ends = [*starts[1:], size]
    expected = [weights[..., a:b].sum(-1) for a, b in zip(starts, ends, strict=True)]
    np.testing.assert_allclose(
        kinds.merge_keys(weights, starts), np.stack(expected, -1), rtol=1e-6, atol=1e-6
    )
    mean = [weights[..., a:b].mean(-1) for a, b in zip(starts, ends, strict=True)]
    turned = kinds.merge_queries(np.swapaxes(weights, -1, -2), starts)
    np.testing.assert_allclose(turned, np.stack(mean, -2), rtol=1e-6, atol=1e-6)


def test_a_row_that_looks_only_at_what_is_dropped_looks_at_all_the_same() -> None:
    weights = np.array([[0, 0, 0, 0], [0, 1e-30, 0, 3e-30]], np.float32)
    expected = [[0.25] * 4, [0, 0.25, 0, 0.75]]
    np.testing.assert_allclose(kinds.renormalise(weights), expected, rtol=1e-6)


def test_entropy_is_none_of_one_position_and_most_of_all_the_same() -> None:
    found = kinds.entropy(np.array([[1, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]], np.float32))
    np.testing.assert_allclose(found, [0, math.log(4), math.log(2)], rtol=1e-6)


@pytest.mark.parametrize("size", [3, 1000, 7001, MAX_FULL_POSITIONS])
def test_rows_in_json_still_sum_to_one(size: int) -> None:
    row = np.full((1, 1, 1, size), 1 / size, np.float32)
    written = orjson.loads(orjson.dumps(to_json(row)))
    assert np.array(written).sum() == pytest.approx(1, abs=1e-3)
