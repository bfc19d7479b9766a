"""What is typed is answered; what is not answered is said in words."""

import httpx
from playwright.sync_api import Page, Route, expect

from tests.explorer.conftest import OTHER, TEXT, delay, shipped, wait_for_answer, wait_until
from tests.service.process import ROOT, serving

ANSWERED = [("rain", "condition description"), ("Paris", "city")]  # OTHER
LONG = "play jazz " * 100  # more positions than assistant-small takes


def spans(page: Page) -> list[tuple[str, str]]:
    marks = page.locator("#heads mark").all_inner_texts()
    return [tuple(text.split("\u00a0")) for text in marks]


def test_a_first_visit_shows_the_first_example(open_page) -> None:
    page = open_page()
    expect(page.locator("#text-0")).to_have_value(shipped("assistant")["examples"][0])
    assert spans(page) == [
        ("2", "party size number"),
        ("Boston", "city"),
        ("Massachusetts", "state"),
        ("tomorrow", "timeRange"),
    ]
    classes = page.locator(".classes tr")
    expect(classes).to_have_count(5)
    expect(classes.first).to_contain_text("BookRestaurant")
    assert float(classes.first.locator(".score").inner_text().rstrip("%")) > 90
    bars = [bar.bounding_box()["width"] for bar in page.locator(".classes .bar-fill").all()]
    assert bars == sorted(bars, reverse=True) and bars[0] > 20 * bars[1]


def test_answers_come_as_one_types(open_page, url) -> None:
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.fill("#text-0", "")
    expect(page.locator("#heads mark").first).to_be_hidden()
    page.locator("#text-0").press_sequentially(OTHER, delay=5)
    wait_for_answer(page)
    assert spans(page) == ANSWERED
    expect(page.locator(".classes th").first).to_have_text("GetWeather")
    predictions = [address for address in asked if address.endswith("/v1/predict")]
    assert 0 < len(predictions) < len(OTHER) / 2, "while somebody types the service is left alone"
    timing = page.locator("#timing").inner_text()
    for stage in ("preprocess", "queue", "model", "decode", "total", "round trip"):
        assert stage in timing


def test_the_last_one_wins_and_a_stale_answer_never_shows(open_page) -> None:
    page = open_page(text="play jazz")
    held: list[Route] = []
    delay(page, TEXT, held)
    page.fill("#text-0", TEXT)
    wait_until(page, lambda: held)
    expect(page.locator("#results")).to_have_attribute("aria-busy", "true")
    page.fill("#text-0", OTHER)
    wait_for_answer(page)
    assert spans(page) == ANSWERED
    for route in held:
        route.continue_()
    page.wait_for_timeout(300)
    assert spans(page) == ANSWERED
    expect(page.locator("#results")).to_have_attribute("aria-busy", "false")


def test_an_answer_to_what_was_cleared_never_shows(open_page) -> None:
    page = open_page()
    held: list[Route] = []
    delay(page, OTHER, held)
    page.fill("#text-0", OTHER)
    wait_until(page, lambda: held)
    page.fill("#text-0", "  ")
    held[0].continue_()
    page.wait_for_timeout(300)
    expect(page.locator("#heads")).to_be_hidden()


def test_examples_are_the_bundles_own(open_page) -> None:
    page = open_page()
    examples = shipped("assistant")["examples"]
    buttons = page.locator("#examples button")
    assert buttons.all_inner_texts() == examples
    buttons.nth(1).click()
    expect(page.locator("#text-0")).to_have_value(examples[1])
    expect(page.locator(".classes th").first).to_have_text("GetWeather")


def test_another_model_is_asked_when_it_is_picked(open_page) -> None:
    page = open_page()
    expect(page.locator("#grid button")).to_have_count(6 * 13)
    page.select_option("#model", "assistant-small")
    expect(page.locator("#grid button")).to_have_count(4 * 7)
    wait_for_answer(page)
    expect(page.locator("#about")).to_contain_text("a small encoder")
    expect(page.locator("#heads mark")).not_to_have_count(0)


def test_what_is_wrong_is_said_at_the_field_it_is_about(open_page, complaints) -> None:
    page = open_page(model="assistant-small")
    page.fill("#text-0", LONG)
    problem = page.locator("#text-0-problem")
    expect(problem).to_contain_text("128")
    expect(page.locator("#text-0")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#heads")).to_be_hidden()
    page.fill("#text-0", OTHER)
    wait_for_answer(page)
    expect(problem).to_be_empty()
    assert page.locator("#text-0").get_attribute("aria-invalid") is None
    page.locator("input[value=texts]").check()
    page.fill("#text-1", LONG)
    expect(page.locator("#text-1-problem")).to_contain_text("128")
    assert all("422" in told or "413" in told for told in complaints)
    complaints.clear()


def test_a_model_that_is_gone_is_said(open_page, complaints) -> None:
    page = open_page(model="gone", answered=False)
    expect(page.locator("#model-problem")).to_contain_text("there are assistant, assistant-small")
    page.select_option("#model", "assistant-small")
    wait_for_answer(page)
    expect(page.locator("#model-problem")).to_be_empty()
    complaints.clear()


def test_a_busy_service_is_asked_again(open_page, complaints) -> None:
    page = open_page()
    left = [429, 503]

    def refuse(route: Route) -> None:
        if not left:
            route.continue_()
            return
        status = left.pop(0)
        body = {"title": "Too much is waiting", "detail": "the queue is full", "status": status}
        route.fulfill(status=status, json=body, headers={"retry-after": "1"})

    page.route("**/v1/predict", refuse)
    page.fill("#text-0", OTHER)
    expect(page.locator("#problem")).to_have_text(
        "Too much is waiting: the queue is full. Asked again in 1 s."
    )
    wait_for_answer(page)
    assert spans(page) == ANSWERED
    expect(page.locator("#problem")).to_be_hidden()
    assert len(complaints) == 2
    complaints.clear()


def test_a_service_that_cannot_be_reached_is_said(open_page, complaints) -> None:
    page = open_page()
    page.context.set_offline(True)
    page.fill("#text-0", OTHER)
    expect(page.locator("#problem")).to_contain_text("You are offline")
    page.context.set_offline(False)
    wait_for_answer(page)
    assert spans(page) == ANSWERED
    page.route("**/v1/predict", lambda route: route.abort())
    page.fill("#text-0", TEXT)
    expect(page.locator("#problem")).to_contain_text("The service cannot be reached")
    complaints.clear()


def test_a_bug_of_the_service_is_said_and_not_asked_again(open_page, complaints) -> None:
    page = open_page()
    asked = []

    def fail(route: Route) -> None:
        asked.append(route)
        route.fulfill(status=500, body="<h1>oops</h1>")

    page.route("**/v1/predict", fail)
    page.fill("#text-0", OTHER)
    expect(page.locator("#problem")).to_have_text("Status 500.")
    page.wait_for_timeout(1500)
    assert len(asked) == 1
    complaints.clear()


def test_a_key_is_asked_for_and_kept_for_the_tab_alone(open_page, context, complaints) -> None:
    with serving(ROOT / "bundles", api_keys="web:s3cret") as (_, guarded):
        assert httpx.get(f"{guarded}/v1/models").status_code == 401
        page = open_page(guarded, answered=False)
        form = page.locator("#key-form")
        expect(form).to_be_visible()
        expect(page.locator("#problem")).to_contain_text("a key is missing")
        page.get_by_label("Key", exact=True).fill("wrong")
        page.get_by_role("button", name="Use this key").click()
        expect(page.locator("#problem")).to_contain_text("this key is not known")
        page.get_by_label("Key", exact=True).fill("s3cret")
        page.get_by_label("Key", exact=True).press("Enter")
        wait_for_answer(page)
        expect(form).to_be_hidden()
        page.get_by_role("button", name="Copy as curl").click()
        command = page.evaluate("navigator.clipboard.readText()")
        assert "$REGARD_KEY" in command and "s3cret" not in command
        assert "s3cret" not in page.url
        assert page.evaluate("localStorage.length + document.cookie.length") == 0
        page.reload()
        wait_for_answer(page)
        complaints.clear()  # of statuses 401
