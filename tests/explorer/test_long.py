"""Inputs of whose attention not all fits one answer."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.explorer.conftest import give, settle, wait_for_answer
from tests.service.conftest import write_bundle
from tests.service.modalities import config, sound
from tests.service.process import PATIENCE_S, serving

MOST = 200_000  # numbers of attention in one answer
LONG, LONGER = 300, 500  # positions of which one attention head fits, and of which none does
STEP = 160  # samples of a position
ROUNDED = 0.001


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("long")
    for name in ("sound", "vectors"):
        model = config(name)
        frontend = model.frontend.model_copy(update={"max_length": 1000})
        write_bundle(folder / name, model.model_copy(update={"frontend": frontend}))
    with serving(folder, max_attention_floats=str(MOST)) as (_, url):
        yield url


@pytest.fixture
def show(open_page: Callable[..., Page], complaints: list[str]) -> Iterator[Callable[..., Page]]:
    """show(name, length) -> the page, with an answer."""

    def show(name: str, length: int, **view: str) -> Page:
        page = open_page(answered=False, model=name, head0="1.2", **view)
        expect(page.locator("#about")).not_to_be_empty()
        give(page, given(name, length))
        wait_for_answer(page)
        return page

    yield show
    assert all("413" in told for told in complaints)
    complaints.clear()


def given(name: str, length: int) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    if name == "sound":
        return {"audio": sound(rng.standard_normal(STEP * length).astype(np.float32) / 9)}
    return {"vectors": rng.standard_normal((length, 5)).round(2).tolist()}


def row(url: str, name: str, length: int, position: int, head: int) -> np.ndarray:
    """What a position looks at."""
    query = {"first": position, "last": position}
    attention = {"layers": [1], "heads": [head], "query": query}
    body = {"model": name, "inputs": given(name, length), "attention": attention}
    answer = httpx.post(f"{url}/v1/attention", json=body, timeout=PATIENCE_S).json()
    return np.array(answer["results"][0]["attention"]["weights"])[0, 0, 0]


def listed(page: Page) -> list[float]:
    return [float(each) for each in page.locator("#pane-0 .out .score").all_inner_texts()]


@pytest.mark.parametrize("name", ["sound", "vectors"])
def test_where_one_attention_head_fits_the_chosen_one_is_shown(show, url, name: str) -> None:
    page = show(name, LONG)
    expect(page.locator("#partial")).to_contain_text("only the chosen attention head is fetched")
    expect(page.locator("#grid canvas:visible")).to_have_count(1)
    page.get_by_role("button", name="Layer 1, head 3").click()
    expect(page.locator("#pane-0 .pane-title")).to_have_text("Layer 1, head 3")
    page.locator("#pane-0 .token").nth(270).press("Enter")
    settle(page)
    expected = -np.sort(-row(url, name, LONG, 270, head=3))[:6]
    assert listed(page) == pytest.approx(expected, abs=ROUNDED)
    page.get_by_role("button", name="Layer 1, mean of its heads").click()
    expect(page.locator("#pane-0 .pane-title")).to_have_text("Layer 1, mean of its heads")


@pytest.mark.parametrize("name", ["sound", "vectors"])
def test_where_none_fits_what_is_around_the_chosen_position_is_shown(show, url, name: str) -> None:
    page = show(name, LONGER)
    expect(page.locator("#partial")).to_contain_text("Choose another position")
    position = page.locator("#pane-0 .token").nth(430)
    with page.expect_request("**/v1/predict") as request:
        position.press("Enter")
    attention = json.loads(request.value.post_data)["attention"]
    assert attention["query"] == {"first": 320, "last": 499}
    wait_for_answer(page)
    expect(page.locator("#pane-0 .strongest")).to_have_count(2)
    truth = row(url, name, LONGER, 430, head=2)
    assert listed(page) == pytest.approx(-np.sort(-truth)[:6], abs=ROUNDED)
    script = "tokens => tokens.map(token => Number(token.style.getPropertyValue('--looks')))"
    shades = page.locator("#pane-0 .token").evaluate_all(script)
    assert shades == pytest.approx(np.sqrt(truth / truth.max()), abs=0.03)
    for picture in ("matrix", "lines"):
        page.locator(f"input[value={picture}]").check()
        page.locator("#pane-0 .picture").focus()
        page.keyboard.press("ArrowLeft")
        name_of = page.locator("#pane-0 .strongest caption").first.inner_text().split(" looks")[0]
        expect(page.locator("#pane-0 .readout")).to_contain_text(f"{name_of} looks at")
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON").click()
    (result,) = json.loads(Path(download.value.path()).read_text("utf-8"))["results"]
    assert result["attention"]["query"] == list(range(320, 500))
    weights = np.array(result["attention"]["weights"])[0, 0]
    assert weights.shape == (180, LONGER)
    assert weights[430 - 320] == pytest.approx(truth, abs=ROUNDED)


def test_where_nothing_fits_what_to_do_is_said(show) -> None:
    page = show("sound", LONGER, compare="texts")
    give(page, given("sound", LONGER), field=1)
    problem = page.locator("#controls-problem")
    expect(problem).to_have_text(re.compile("show the weights of one input, or give a shorter one"))
    expect(page.locator("#controls")).to_have_attribute("aria-invalid", "true")
    page.locator("input[value=none]").check()
    wait_for_answer(page)
    page.locator("input[value=rollout]").check()
    expect(problem).to_contain_text("too much for one answer")
    page.locator("input[value=received]").check()
    wait_for_answer(page)
    expect(problem).to_be_empty()
