"""Every modality: its positions where the input has them, chosen and marked; and its labels."""

from collections.abc import Callable
from functools import cache
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.explorer.conftest import choose, give, settle, violations, wait_for_answer
from tests.service.modalities import MODALITIES, cases
from tests.service.process import PATIENCE_S

ROUNDED = 0.001  # float16, and three digits on the page
BOXES = "tokens => tokens.map(t => t.getBoundingClientRect()).map(({left, right}) => [left, right])"


@pytest.fixture
def url(modalities_url: str) -> str:
    return modalities_url


@cache
def case(name: str) -> tuple[Any, Any]:
    """The largest input: as the request has it, and as the preprocessor takes it."""
    return cases(name)[1]


def given(name: str) -> Any:
    return case(name)[0]


def predict(url: str, name: str, asked: Any, **attention: Any) -> dict[str, Any]:
    body = {"model": name, "inputs": asked, "attention": attention, "options": {"top_k": 4}}
    answer = httpx.post(f"{url}/v1/predict", json=body, timeout=PATIENCE_S)
    return answer.json()["results"][0]


@pytest.fixture
def show(open_page: Callable[..., Page]) -> Callable[..., Page]:
    """show(name) -> the page, with the model's input and answer."""

    def show(name: str, **view: str) -> Page:
        page = open_page(answered=False, model=name, head0="1.2", **view)
        expect(page.locator("#about")).not_to_be_empty()
        with page.expect_response("**/v1/predict"):
            give(page, given(name))
        wait_for_answer(page)
        return page

    return show


def shades(page: Page, name: str) -> list[float]:
    script = f"tokens => tokens.map(token => Number(token.style.getPropertyValue('--{name}')))"
    return page.locator("#pane-0 .token").evaluate_all(script)


@pytest.mark.parametrize("name", MODALITIES)
def test_a_position_shows_what_it_looks_at_and_who_looks_at_it(show, url, name: str) -> None:
    page = show(name)
    result = predict(url, name, given(name), layers=[1], heads=[2])["attention"]
    truth = np.array(result["weights"])[0, 0]
    tokens = page.locator("#pane-0 .token")
    expect(tokens).to_have_count(len(result["positions"]))
    tokens.nth(2).click()
    expect(tokens.nth(2)).to_have_attribute("aria-pressed", "true")
    settle(page)
    assert shades(page, "looks") == pytest.approx(np.sqrt(truth[2] / truth[2].max()), abs=0.03)
    column = truth[:, 2]
    assert shades(page, "looked") == pytest.approx(np.sqrt(column / column.max()), abs=0.03)
    listed = page.locator("#pane-0 .strongest.out .score").all_inner_texts()
    expected = -np.sort(-truth[2][truth[2] > 0])[:6]
    assert [float(weight) for weight in listed] == pytest.approx(expected, abs=ROUNDED)
    tokens.nth(2).click()
    expect(page.locator("#pane-0 .token[aria-pressed=true]")).to_have_count(0)


@pytest.mark.parametrize("name", MODALITIES)
def test_positions_and_pictures_are_walked_by_keyboard(show, name: str) -> None:
    page = show(name)
    tokens = page.locator("#pane-0 .token")
    expect(page.locator("#pane-0 .token[tabindex='0']")).to_have_count(1)
    tokens.first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    expect(tokens.nth(1)).to_be_focused()
    expect(tokens.nth(1)).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("End")
    expect(tokens.last).to_be_focused()
    for picture in ("matrix", "lines"):
        choose(page, "picture", picture)
        page.locator("#pane-0 .picture").focus()
        page.keyboard.press("ArrowDown")
        expect(page.locator("#pane-0 .readout")).to_contain_text("looks at")


@pytest.mark.parametrize("name", MODALITIES)
def test_every_head_has_its_answer(show, url, name: str) -> None:
    page = show(name)
    result = predict(url, name, given(name))
    expect(page.locator("#heads h3")).to_have_text(["part", "whole", "size", "said"])
    labels = [one["label"] for one in result["labels"]["part"]]
    changes = [a for a, b in zip(labels, [*labels[1:], None], strict=True) if a != b]
    assert page.locator(".head-token .label").all_inner_texts() == changes
    classes = [one["label"] for one in result["classes"]["whole"]]
    assert page.locator(".classes th").all_inner_texts() == classes
    shown = float(page.locator(".head-value .value").inner_text())
    assert shown == pytest.approx(result["values"]["size"], abs=1e-4)
    transcript = result["transcripts"]["said"]
    said = page.locator(".head-ctc mark").all_inner_texts()
    assert " ".join(text.split("\u00a0")[0] for text in said) == transcript["text"]
    score = page.locator(".head-ctc .score").inner_text()
    assert float(score.rstrip("%")) == pytest.approx(100 * transcript["score"], abs=0.06)


def test_what_only_text_has_is_out_of_reach_and_why_is_said(show) -> None:
    page = show("vectors", level="word", special="drop")
    for field in ("level", "special"):
        for each in page.locator(f"input[name={field}]").all():
            expect(each).to_be_disabled()
    expect(page.locator("#text-alone")).to_be_visible()
    expect(page.get_by_label("Special positions")).to_be_checked()
    choose(page, "kind", "rollout")
    expect(page.locator("#grid button")).to_have_count(2)


@pytest.mark.parametrize("name", MODALITIES)
def test_axe_finds_nothing_and_the_page_fits(themed, name: str) -> None:
    page = themed("dark", 360, f"/#model={name}")
    expect(page.locator("#about")).not_to_have_text("")
    give(page, given(name))
    wait_for_answer(page)
    page.locator("#pane-0 .token").nth(2).press("Enter")
    settle(page)
    assert violations(page) == []
    for width in (360, 768, 2200):
        page.set_viewport_size({"width": width, "height": 1000})
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        boxes = page.locator("#pane-0 .token").evaluate_all(BOXES)
        assert min(left for left, _ in boxes) >= 0 and max(right for _, right in boxes) <= width
    page.get_by_label("Colours").select_option("light")
    settle(page)
    assert violations(page) == []


def test_the_patches_are_where_the_picture_has_them(show) -> None:
    page = show("image")
    frame = page.locator("#pane-0 .frame").bounding_box()
    boxes = [token.bounding_box() for token in page.locator("#pane-0 .token").all()]
    side = frame["width"] / 3  # 8 x 12 pixels, patches of 4 x 4
    corners = [(box["x"] - frame["x"], box["y"] - frame["y"]) for box in boxes]
    expected = [(side * column, side * row) for row in range(2) for column in range(3)]
    assert np.array(corners) == pytest.approx(np.array(expected), abs=1)
    pixels = """canvas => Array.from(canvas.getContext("2d").getImageData(0, 0, 12, 8).data)
        .filter((_, i) => i % 4 === 0)"""
    greys = case("image")[1]
    drawn = np.array(page.locator("#pane-0 canvas").first.evaluate(pixels)).reshape(8, 12)
    assert np.abs(drawn - greys.astype(int)).max() <= 2
    tokens = page.locator("#pane-0 .token")
    tokens.first.focus()
    page.keyboard.press("ArrowDown")
    expect(tokens.nth(3)).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    expect(tokens.nth(1)).to_be_focused()


def test_sound_is_drawn_over_time_and_what_was_said_below_it(show, url) -> None:
    page = show("sound")
    expect(page.locator("#pane-0 .frame path")).to_have_count(1)
    frame = page.locator("#pane-0 .frame").bounding_box()
    result = predict(url, "sound", given("sound"), layers=[1])
    length = result["attention"]["positions"][-1]["end_s"]
    for index in (0, 7, 20):
        box = page.locator("#pane-0 .token").nth(index).bounding_box()
        assert box["x"] - frame["x"] == pytest.approx(frame["width"] * 0.02 * index / length, abs=1)
    rows = page.locator("#pane-0 .track-row")
    expect(rows).to_have_count(2)
    labels = result["transcripts"]["said"]["labels"]
    assert labels
    for place, shown in zip(labels, rows.nth(1).locator(".label").all(), strict=True):
        expect(shown).to_have_text(place["label"])
        left = frame["width"] * place["start_s"] / length
        assert shown.bounding_box()["x"] - frame["x"] == pytest.approx(left, abs=1)
    play = page.get_by_role("button", name="Play")
    expect(play).to_have_text("Play")
    page.locator("#pane-0 .token").nth(4).press("Enter")
    expect(play).to_have_text("Play around it")
    play.click()


def test_a_graph_has_its_edges_and_the_chosen_nodes_weights_as_lines(show, url) -> None:
    page = show("graph")
    names = page.locator("#pane-0 .token").all_inner_texts()
    assert names == ["hub", *map(str, range(7))]
    expect(page.locator("#pane-0 line.edge")).to_have_count(2)
    expect(page.locator("#pane-0 line.looksAt")).to_have_count(0)
    result = predict(url, "graph", given("graph"), layers=[1], heads=[2])
    truth = np.array(result["attention"]["weights"])[0, 0]
    page.locator("#pane-0 .token").nth(2).click()
    others = [i for i in range(8) if i != 2 and truth[2, i] > 0]
    lines = page.locator("#pane-0 line.looksAt")
    expect(lines).to_have_count(len(others))
    script = "lines => lines.map(line => Number(line.style.getPropertyValue('--strength')))"
    expected = np.sqrt(truth[2][others] / truth[2].max())
    assert lines.evaluate_all(script) == pytest.approx(expected, abs=0.03)
    boxes = [token.bounding_box() for token in page.locator("#pane-0 .token").all()]
    centres = np.array([(box["x"], box["y"]) for box in boxes])
    apart = np.linalg.norm(centres[:, None] - centres, axis=-1) + 1000 * np.eye(8)
    assert apart.min() > 24, "no node hides another"


def test_a_large_graph_is_a_list_of_its_nodes(open_page) -> None:
    page = open_page(model="graph")
    drawn = """async count => {
        const { GraphView } = await import("./explorer/graph.js");
        const host = document.createElement("div");
        const view = new GraphView(host, () => {});
        const nodes = Array.from({ length: count }, (_, node) => [node]);
        view.show({ nodes }, nodes.map(([node]) => ({ node })), []);
        view.mark({ selected: 1, looksAt: nodes.flat(), lookedAtBy: nodes.flat(), threshold: 0 });
        return [".node", ".cell"].map(name => host.querySelectorAll(name).length);
    }"""
    assert page.evaluate(drawn, 100) == [100, 0]
    assert page.evaluate(drawn, 101) == [0, 101]


def test_labels_of_many_nodes_are_shown_where_one_is(open_page) -> None:
    page = open_page(model="graph")
    drawn = """async count => {
        const { GraphView } = await import("./explorer/graph.js");
        const host = document.querySelector("#pane-0 .positions");
        const nodes = Array.from({ length: count }, (_, node) => [node]);
        const marks = nodes.map(([node]) => ({ first: node, last: node, label: "a_b" }));
        new GraphView(host, () => {}).show(
            { nodes }, nodes.map(([node]) => ({ node })), [{ labels: ["a_b"], marks }]);
    }"""
    labels = page.locator("#pane-0 .node .label")
    for count, visible in ((20, 20), (21, 0)):
        page.evaluate(drawn, count)
        expect(labels).to_have_count(count)
        expect(labels.filter(visible=True)).to_have_count(visible)
    page.locator("#pane-0 .token").nth(7).focus()
    page.keyboard.press("ArrowRight")
    expect(labels.filter(visible=True)).to_have_text(["a b"])


def test_vectors_are_a_heat_map(show) -> None:
    page = show("vectors")
    vectors = np.array(given("vectors")["vectors"])
    pixels = "all => all.map(c => [...c.getContext('2d').getImageData(0, 0, 1, 5).data])"
    drawn = page.locator("#pane-0 .token canvas").evaluate_all(pixels)
    red, _, blue, alpha = np.moveaxis(np.array(drawn).reshape(len(vectors), 5, 4), -1, 0)
    assert alpha == pytest.approx(255 * np.sqrt(np.abs(vectors) / np.abs(vectors).max()), abs=2)
    clear = alpha > 40
    assert ((red > blue) == (vectors < 0))[clear].all()


def test_a_spelled_words_labels_are_at_its_letters(show, url) -> None:
    page = show("word")
    word = given("word")
    repeat = MODALITIES["word"].repeat
    letters = [letter for letter in word for _ in range(repeat)]
    assert page.locator("#pane-0 .token").all_inner_texts() == letters
    labels = [one["label"] for one in predict(url, "word", word)["labels"]["part"]]
    first = page.locator("#pane-0 .cell .label:first-of-type").all_inner_texts()
    assert first[::repeat] == labels
