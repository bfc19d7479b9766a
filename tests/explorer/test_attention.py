"""What is drawn is what the API answers."""

import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.explorer.conftest import OTHER, TEXT, ask, choose, positions, settle, wait_for_answer

ROUNDED = 0.001  # float16, and three digits on the page
AT = "1.8"  # a head that looks at the next position


def weights(url: str, **options: object) -> np.ndarray:
    return np.array(ask(url, TEXT, layers=[1], heads=[8], **options)[0]["weights"])[0, 0]


def said(page: Page, pane: int = 0) -> tuple[str, str, float]:
    """The readout: who looks at whom, how much."""
    text = page.locator(f"#pane-{pane} .readout").inner_text()
    found = re.fullmatch(r"“(.+)” looks at “(.+)”: ([\d.]+)", text)
    assert found, text
    return found[1], found[2], float(found[3])


def point(page: Page, x: float, y: float) -> None:
    place = page.locator("#pane-0 .picture")
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    page.mouse.move(box["x"] + x, box["y"] + y)
    settle(page)


def listed(page: Page, pane: int = 0) -> list[tuple[str, float]]:
    rows = page.locator(f"#pane-{pane} .strongest tr").all()
    return [
        (row.locator("th").inner_text(), float(row.locator(".score").inner_text())) for row in rows
    ]


def shades(page: Page, name: str) -> list[float]:
    script = f"tokens => tokens.map(token => Number(token.style.getPropertyValue('--{name}')))"
    return page.locator("#pane-0 .token").evaluate_all(script)


def test_the_grid_has_a_picture_of_each_head_and_of_their_mean(open_page, url) -> None:
    page = open_page(text=TEXT)
    buttons = page.locator("#grid button")
    expect(buttons).to_have_count(6 * 13)
    expect(page.get_by_role("button", name="Layer 1, head 8")).to_be_visible()
    expect(page.get_by_role("button", name="Layer 5, mean of its heads")).to_have_attribute(
        "aria-pressed", "true"
    )
    read = """canvases => canvases.map(canvas => Array.from(
        canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data))"""
    pixels = np.array(page.locator("#grid canvas").evaluate_all(read)).reshape(6, 13, -1, 4)
    truth = np.array(ask(url, TEXT, layers="all")[0]["weights"])
    for layer, head in ((0, 2), (1, 8), (5, 0), (3, 11)):
        expected = truth[layer, head].ravel()
        dark = 255 * 3 - pixels[layer, head, :, :3].sum(axis=1)
        clear = np.abs(np.subtract.outer(expected, expected)) > 0.02
        agree = np.sign(np.subtract.outer(dark, dark)) == np.sign(
            np.subtract.outer(expected, expected)
        )
        assert agree[clear].all(), "the more weight, the darker"


def test_a_head_is_chosen_by_pointer_and_by_keyboard(open_page) -> None:
    page = open_page(text=TEXT)
    title = page.locator("#pane-0 .pane-title")
    page.get_by_role("button", name="Layer 1, head 8").click()
    expect(title).to_have_text("Layer 1, head 8")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(title).to_have_text("Layer 2, head 9")
    expect(page.get_by_role("button", name="Layer 2, head 9")).to_be_focused()
    reached = page.locator("#grid button[tabindex='0']")
    expect(reached).to_have_count(1)


def test_the_matrix_says_what_is_under_the_pointer(open_page, url) -> None:
    page = open_page(text=TEXT, head0=AT)
    truth, names = weights(url), positions(page)
    box = page.locator("#pane-0 .picture").bounding_box()
    seen = set()
    for across in np.arange(0.25, 0.95, 0.1):
        for down in np.arange(0.25, 0.95, 0.1):
            point(page, across * box["width"], down * box["height"])
            if "looks at" not in page.locator("#pane-0 .readout").inner_text():
                continue
            query, key, weight = said(page)
            found = [
                truth[i, j]
                for i, name in enumerate(names)
                for j, other in enumerate(names)
                if (name, other) == (query, key)
            ]
            assert min(abs(weight - value) for value in found) <= ROUNDED
            seen.add((query, key))
    assert len(seen) > 20


def test_the_matrix_is_walked_with_the_arrow_keys(open_page, url) -> None:
    page = open_page(text=TEXT, head0=AT)
    truth, names = weights(url), positions(page)
    page.locator("#pane-0 .picture").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    assert said(page)[:2] == (names[3], names[2])
    assert said(page)[2] == pytest.approx(truth[3, 2], abs=ROUNDED)
    expect(page.locator("#said")).to_contain_text(f"“{names[3]}” looks at")
    page.keyboard.press("End")
    assert said(page)[1] == names[-1]
    page.keyboard.press("Enter")
    expect(page.locator("#pane-0 .token").nth(3)).to_have_attribute("aria-pressed", "true")


def test_lines_lead_from_those_that_look_to_those_looked_at(open_page, url) -> None:
    page = open_page(text=TEXT, head0=AT, picture="lines")
    truth, names = weights(url), positions(page)
    box = page.locator("#pane-0 .picture").bounding_box()
    row = box["height"] / len(names)
    readout = page.locator("#pane-0 .readout")
    point(page, 60, 7.5 * row)
    expect(readout).to_contain_text(f"“{names[7]}” looks at “{names[truth[7].argmax()]}”")
    point(page, box["width"] - 60, 7.5 * row)
    expect(readout).to_contain_text(f"“{names[7]}” is looked at by “{names[truth[:, 7].argmax()]}”")
    page.locator("#pane-0 .picture").focus()
    page.mouse.move(0, 0)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(readout).to_contain_text(f"“{names[1]}” looks at")
    page.keyboard.press("ArrowRight")
    expect(readout).to_contain_text(f"“{names[1]}” is looked at by")
    pixels = """canvas => { const data = canvas.getContext("2d").getImageData(
        0, 0, canvas.width, canvas.height).data; return data.some(value => value > 0) }"""
    assert page.locator("#pane-0 .picture canvas").first.evaluate(pixels)


def test_a_token_shows_in_the_text_what_it_looks_at_and_who_looks_at_it(open_page, url) -> None:
    page = open_page(text=TEXT, head0=AT)
    truth, names = weights(url), positions(page)
    token = page.locator("#pane-0 .token").nth(7)
    expect(token).to_have_text("Boston")
    token.click()
    expect(token).to_have_attribute("aria-pressed", "true")
    settle(page)
    looks, looked = shades(page, "looks"), shades(page, "looked")
    assert looks == pytest.approx(np.sqrt(truth[7] / truth[7].max()), abs=0.03)
    assert looked == pytest.approx(np.sqrt(truth[:, 7] / truth[:, 7].max()), abs=0.03)
    captions = page.locator("#pane-0 caption").all_inner_texts()
    assert captions == ["“Boston” looks at", "“Boston” is looked at by"]
    first, second = listed(page)[:6], listed(page)[6:]
    order = np.argsort(-truth[7])[:6]
    assert [weight for _, weight in first] == pytest.approx(truth[7][order], abs=ROUNDED)
    assert first[0][0] == names[order[0]]
    assert second[0][1] == pytest.approx(truth[:, 7].max(), abs=ROUNDED)
    token.click()
    settle(page)
    assert not any(shades(page, "looks"))


def test_tokens_are_reached_with_the_arrow_keys(open_page) -> None:
    page = open_page(text=TEXT)
    page.locator("#pane-0 .token").first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#pane-0 .token").nth(1)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#pane-0 .token").nth(1)).to_be_focused()


def test_pieces_or_words(open_page, url) -> None:
    text = "Play Stravinsky’s Petrushka 🎻 now"
    page = open_page(text=text)
    pieces = positions(page)
    choose(page, "level", "word")
    words = positions(page)
    assert len(words) < len(pieces)
    assert words == [p["text"] for p in ask(url, text, level="word")[0]["positions"]]
    assert pieces == [p["text"] for p in ask(url, text)[0]["positions"]]
    shown = page.locator("#pane-0 .positions").inner_text()
    assert text in shown, "the text is all there, white space too"


def test_special_positions_are_left_out(open_page) -> None:
    page = open_page(text=TEXT)
    assert positions(page)[0] == "[CLS]"
    page.get_by_label("Special positions").uncheck()
    expect(page.locator("#pane-0 .token").first).to_have_text("Book")


def test_rollout_has_one_picture_a_layer(open_page, url) -> None:
    page = open_page(text=TEXT)
    choose(page, "kind", "rollout")
    expect(page.locator("#grid button")).to_have_count(6)
    page.get_by_role("button", name="Layer 2").click()
    truth = np.array(ask(url, TEXT, layers=[2], kind="rollout")[0]["weights"])[0, 0]
    page.locator("#pane-0 .token").nth(7).click()
    settle(page)
    assert [w for _, w in listed(page)[:6]] == pytest.approx(-np.sort(-truth[7])[:6], abs=ROUNDED)


def test_received_is_one_row_and_shown_in_the_text(open_page, url) -> None:
    page = open_page(text=TEXT, head0=AT)
    choose(page, "kind", "received")
    truth = np.array(ask(url, TEXT, layers=[1], heads=[8], kind="received")[0]["received"])[0, 0]
    assert [w for _, w in listed(page)] == pytest.approx(-np.sort(-truth)[:6], abs=ROUNDED)
    assert shades(page, "looks") == pytest.approx(np.sqrt(truth / truth.max()), abs=0.03)
    for picture in ("lines", "matrix"):
        choose(page, "picture", picture)
        page.locator("#pane-0 .picture").focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator("#pane-0 .readout")).to_contain_text("look")


def test_two_texts_side_by_side(open_page) -> None:
    page = open_page(text=TEXT, head0=AT)
    expect(page.locator("#text-1")).to_be_hidden()
    choose(page, "compare", "texts")
    page.fill("#text-1", OTHER)
    expect(page.locator("#pane-1 .token").first).to_be_visible()
    wait_for_answer(page)
    assert positions(page)[1:4] == ["Book", "a", "table"]
    assert positions(page, 1)[1:4] == ["Will", "it", "rain"]
    expect(page.locator("#heads .result")).to_have_count(2)
    first, second = (page.locator(f"#pane-{i}").bounding_box() for i in (0, 1))
    assert first["x"] + first["width"] <= second["x"]
    page.locator("#pane-1 .token").nth(5).click()
    expect(page.locator("#pane-1 .token[aria-pressed=true]")).to_have_text("Paris")
    expect(page.locator("#pane-0 .token[aria-pressed=true]")).to_have_count(0)
    for pane in (0, 1):
        expect(page.locator(f"#pane-{pane} .pane-title")).to_have_text("Layer 1, head 8")


def test_two_heads_side_by_side(open_page, url) -> None:
    page = open_page(text=TEXT, head0=AT)
    choose(page, "compare", "heads")
    expect(page.get_by_label("B", exact=True)).to_be_checked()
    page.get_by_role("button", name="Layer 2, head 4").click()
    expect(page.locator("#pane-0 .pane-title")).to_have_text("Layer 1, head 8")
    expect(page.locator("#pane-1 .pane-title")).to_have_text("Layer 2, head 4")
    page.locator("#pane-1 .token").nth(7).click()
    expect(page.locator("#pane-0 .token[aria-pressed=true]")).to_have_text("Boston")
    settle(page)
    other = np.array(ask(url, TEXT, layers=[2], heads=[4])[0]["weights"])[0, 0]
    assert listed(page)[0][1] == pytest.approx(weights(url)[7].max(), abs=ROUNDED)
    assert listed(page, 1)[0][1] == pytest.approx(other[7].max(), abs=ROUNDED)


def test_weights_below_the_threshold_are_not_shown(open_page, url) -> None:
    page = open_page(text=TEXT, head0=AT, at0="7")
    assert len(listed(page)) == 12
    slider = page.get_by_label("Threshold")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    expect(page.locator("output")).to_have_text("0.10")
    settle(page)
    truth = weights(url)
    shown = [weight for _, weight in listed(page)]
    assert shown and min(shown) >= 0.1
    assert len(shown) == (truth[7] >= 0.1).sum() + (truth[:, 7] >= 0.1).sum()
    assert [shade > 0 for shade in shades(page, "looks")] == (truth[7] >= 0.1).tolist()
    canvas = page.locator("#pane-0 .picture canvas").first
    before = len(canvas.evaluate("canvas => canvas.toDataURL()"))
    slider.fill("1")
    settle(page)
    assert len(canvas.evaluate("canvas => canvas.toDataURL()")) < before, "there is less to see"


def test_of_a_text_too_long_for_one_answer_the_chosen_layer_is_shown(open_page, complaints) -> None:
    page = open_page(text="play some jazz " * 90, head0=AT)
    expect(page.locator("#partial")).to_contain_text("only the chosen layer is fetched")
    expect(page.locator("#grid canvas:visible")).to_have_count(13)
    page.get_by_role("button", name="Layer 3, head 2").click()
    wait_for_answer(page)
    expect(page.locator("#pane-0 .pane-title")).to_have_text("Layer 3, head 2")
    assert all("413" in told for told in complaints)
    complaints.clear()
