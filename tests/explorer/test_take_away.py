"""A link, pictures, numbers, a command: what is shown, elsewhere."""

import json
import re
import struct
import subprocess
import zlib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.explorer.conftest import OTHER, TEXT, ask, choose, positions, settle, wait_for_answer

VIEW = {
    "model": "assistant",
    "text": TEXT,
    "other": OTHER,
    "compare": "texts",
    "level": "word",
    "special": "drop",
    "picture": "lines",
    "active": "1",
    "threshold": "0.05",
    "head0": "2.mean",
    "at0": "6",
    "at1": "4",
}
SVG = "{http://www.w3.org/2000/svg}"


def copied(page: Page, button: str) -> str:
    page.get_by_role("button", name=button).click()
    expect(page.locator("#taken")).to_contain_text("copied")
    return page.evaluate("navigator.clipboard.readText()")


def saved(page: Page, button: str) -> bytes:
    with page.expect_download() as caught:
        page.get_by_role("button", name=button, exact=True).click()
    assert caught.value.suggested_filename == f"attention.{button.lower()}"
    return Path(caught.value.path()).read_bytes()


def state(page: Page) -> dict[str, object]:
    """What there is to see."""
    settle(page)
    fields = (
        "inputs => inputs.map(i => i.type == 'radio' || i.type == 'checkbox' ? i.checked : i.value)"
    )
    return {
        "fields": page.locator("input, select, textarea").evaluate_all(fields),
        "text": page.locator("#attention").inner_text(),
        "answer": page.locator("#heads").inner_text(),
        "pressed": page.locator("[aria-pressed=true]").all_inner_texts(),
        "picture": page.locator("#pane-0 canvas").first.evaluate("canvas => canvas.toDataURL()"),
    }


def test_a_link_restores_the_whole_view(open_page, context) -> None:
    page = open_page(**VIEW)
    link = copied(page, "Copy link")
    page.evaluate("document.querySelector('#taken').textContent = ''")
    other = context.new_page()
    other.goto(link)
    wait_for_answer(other)
    expect(other.locator("#pane-1 .token").first).to_be_visible()
    assert state(other) == state(page)
    assert other.evaluate("location.hash") == page.evaluate("location.hash")
    expect(other.locator("#pane-0 .token[aria-pressed=true]")).to_have_text("Boston")
    expect(other.locator("#pane-1 .token[aria-pressed=true]")).to_have_text("Paris")


def test_what_is_set_is_in_the_link_at_once(open_page) -> None:
    page = open_page(text=TEXT)
    page.get_by_role("button", name="Layer 1, head 8").click()
    choose(page, "picture", "lines")
    page.locator("#pane-0 .token").nth(3).click()
    for part in ("head0=1.8", "picture=lines", "at0=3"):
        expect(page).to_have_url(re.compile(re.escape(part)))
    page.evaluate("location.hash = 'text=play+jazz'")
    expect(page.locator("#text-0")).to_have_value("play jazz")
    wait_for_answer(page)
    assert positions(page)[1:3] == ["play", "jazz"]


@pytest.mark.parametrize(
    "fragment",
    ["at0=99&head0=77.5", "at0=-1&head0=x&threshold=7&kind=magic", "text=play%FF%ZZ+jazz&level"],
)
def test_a_link_that_means_nothing_does_no_harm(open_page, url, fragment: str) -> None:
    page = open_page()
    page.goto("about:blank")
    page.goto(f"{url}/#{fragment}")
    wait_for_answer(page)


def pixels(png: bytes) -> tuple[int, int, int]:
    """Width, height and the number of different rows of a PNG."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    at, data = 8, b""
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : at + 8 + size]
        at += 12 + size
    rows = zlib.decompress(data)
    step = len(rows) // height
    return width, height, len({rows[i * step : (i + 1) * step] for i in range(height)})


@pytest.mark.parametrize("picture", ["matrix", "lines"])
def test_pictures_hold_what_is_shown(open_page, picture: str) -> None:
    page = open_page(text=f"{TEXT} <&>", head0="1.8", picture=picture)
    width, height, rows = pixels(saved(page, "PNG"))
    assert width == 2 * (720 + 2 * 24)
    assert rows > height / 20
    root = ElementTree.fromstring(saved(page, "SVG"))
    assert (root.get("width"), root.tag) == (str(width // 2), f"{SVG}svg")
    written = [text.text for text in root.iter(f"{SVG}text")]
    names = positions(page)
    assert written[0].startswith("assistant · layer 1, head 8 · weights · Book a table")
    assert sorted(written[1:]) == sorted(names * 2)
    assert len(list(root.iter(f"{SVG}path"))) > 10


def test_two_panes_are_one_picture(open_page) -> None:
    page = open_page(text=TEXT, compare="heads", head0="1.8", head1="2.4")
    root = ElementTree.fromstring(saved(page, "SVG"))
    assert root.get("width") == str(2 * (720 + 24) + 24)
    titles = [text.text for text in root.iter(f"{SVG}text") if "layer" in text.text]
    assert [title[:24] for title in titles] == [
        "A · assistant · layer 1,",
        "B · assistant · layer 2,",
    ]


@pytest.mark.parametrize("kind", ["weights", "received", "rollout"])
def test_json_and_curl_give_what_is_shown(open_page, url, kind: str) -> None:
    text = f"{TEXT} it's"
    page = open_page(text=text, head0="1.8", kind=kind, level="word")
    ours = json.loads(saved(page, "JSON"))
    command = copied(page, "Copy as curl")
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True, text=True)
    theirs = json.loads(done.stdout)
    (result,), (answered,) = ours["results"], theirs["results"]
    assert result["attention"]["layers"] == [1]
    tensor = "received" if kind == "received" else "weights"
    found = np.array(result["attention"].pop(tensor))
    expected = np.array(answered["attention"].pop(tensor))
    np.testing.assert_allclose(found, expected, atol=5e-4)
    assert ours == theirs
    heads = "mean" if kind == "rollout" else [8]
    direct = ask(url, text, layers=[1], heads=heads, kind=kind, level="word")[0]
    np.testing.assert_allclose(found, direct[tensor], atol=5e-4)
