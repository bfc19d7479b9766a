"""The explorer in a real browser, headless; a process of its own serves the shipped models."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from tests.explorer.chromium import launch
from tests.service.conftest import write_bundle
from tests.service.modalities import MODALITIES, config
from tests.service.process import PATIENCE_S, ROOT, serving

TEXT = "Book a table for 2 in Boston, Massachusetts, tomorrow!"
OTHER = "Will it rain in Paris?"
WIDE = {"width": 1280, "height": 1000}
FILES = {"audio": ("said.wav", "audio/wav"), "image": ("seen.png", "image/png")}
Open = Callable[..., Page]

expect.set_options(timeout=1000 * PATIENCE_S / 4)


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    with serving(ROOT / "bundles") as (_, url):
        yield url


@pytest.fixture(scope="session")
def modalities_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Tiny models of every modality."""
    folder = tmp_path_factory.mktemp("modalities")
    for name in MODALITIES:
        write_bundle(folder / name, config(name))
    with serving(folder) as (_, url):
        yield url


# Not for the session: while it is there, an event loop runs in this thread.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport=WIDE, permissions=["clipboard-read", "clipboard-write"])
    context.set_default_timeout(1000 * PATIENCE_S)
    yield context
    context.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the console of each page complained of; a test that expects some clears it."""
    return []


@pytest.fixture
def open_page(context: BrowserContext, url: str, complaints: list[str]) -> Iterator[Open]:
    """open_page(fragment, address) -> the page, when it has answered; the console must be quiet."""
    asked: list[str] = []

    def open_page(address: str = url, answered: bool = True, **view: str) -> Page:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda told: (
                complaints.append(told.text) if told.type in ("error", "warning") else None
            ),
        )
        fragment = "&".join(f"{name}={quote(value)}" for name, value in view.items())
        page.goto(f"{address}/#{fragment}")
        if answered:
            wait_for_answer(page)
        return page

    yield open_page
    assert complaints == []
    allowed = (url, "blob:", "http://127.0.0.1:")
    assert [address for address in asked if not address.startswith(allowed)] == []


@pytest.fixture
def themed(browser: Browser, url: str) -> Iterator:
    """themed(scheme, width) -> a page of that colour scheme and width."""
    contexts = []

    def themed(scheme: str, width: int = WIDE["width"], path: str = "/") -> Page:
        size = {"width": width, "height": WIDE["height"]}
        contexts.append(browser.new_context(color_scheme=scheme, viewport=size))
        contexts[-1].set_default_timeout(1000 * PATIENCE_S)
        page = contexts[-1].new_page()
        page.goto(url + path)
        return page

    yield themed
    for context in contexts:
        context.close()


def violations(page: Page) -> list[str]:
    found = Axe().run(
        page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}
    )
    return [
        f"{rule['id']}: {node['html'][:120]} {node['failureSummary']}"
        for rule in found.response["violations"]
        for node in rule["nodes"]
    ]


def wait_for_answer(page: Page) -> None:
    expect(
        page.locator("#results:not(.empty)[aria-busy=false] #pane-0 .token").first
    ).to_be_visible()
    settle(page)
    expect(page.locator("#grid[aria-busy=false]")).to_be_visible()  # all of it is painted


def settle(page: Page) -> None:
    """Wait until what was changed is drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def wait_until(page: Page, holds: Callable[[], object]) -> None:
    for _ in range(50 * PATIENCE_S):
        if holds():
            return
        page.wait_for_timeout(20)
    raise AssertionError("it never came")


def choose(page: Page, name: str, value: str) -> None:
    """Press one of the buttons above the attention."""
    page.locator(f"input[name={name}][value={value}]").check()
    wait_for_answer(page)


def positions(page: Page, pane: int = 0) -> list[str]:
    return page.locator(f"#pane-{pane} .token").all_inner_texts()


def ask(url: str, inputs: str | list[str], **attention: object) -> list[dict]:
    """The attention of each result, as the API answers it."""
    body = {"inputs": inputs, "attention": attention}
    answer = httpx.post(f"{url}/v1/attention", json=body, timeout=PATIENCE_S)
    return [result["attention"] for result in answer.json()["results"]]


def give(page: Page, asked: Any, field: int = 0) -> None:
    """Write or choose an input of any modality, as it is in a request."""
    if isinstance(asked, str):
        page.fill(f"#text-{field}", asked)
    elif (key := next(iter(asked))) in FILES:
        name, media = FILES[key]
        file = {"name": name, "mimeType": media, "buffer": base64.b64decode(asked[key])}
        page.set_input_files(f"#file-{field}", file)
    else:
        page.fill(f"#text-{field}", json.dumps(asked))


def delay(page: Page, text: str, held: list[Route]) -> None:
    """Hold back the requests that name a text."""

    def hold(route: Route) -> None:
        if text in json.loads(route.request.post_data or "{}").get("inputs", ""):
            held.append(route)
        else:
            route.continue_()

    page.route("**/v1/predict", hold)


def shipped(name: str) -> dict:
    return json.loads((Path(ROOT) / "bundles" / name / "manifest.json").read_text("utf-8"))
