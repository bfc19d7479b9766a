"""Inputs of every modality: written, chosen, dropped, drawn, from an example or a link."""

import base64
import io
import json
import os
import re
import subprocess
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
from PIL import Image
from playwright.sync_api import Page, Request, Route, expect

from tests.explorer.conftest import give, wait_for_answer
from tests.service.modalities import RATE, cases, sound


@pytest.fixture
def url(modalities_url: str) -> str:
    return modalities_url


@pytest.fixture
def open_model(open_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_model(name: str, **view: str) -> Page:
        page = open_page(answered=False, model=name, **view)
        expect(page.locator("#about")).not_to_be_empty()
        return page

    return open_model


def asked(request: Request) -> list:
    return json.loads(request.post_data)["inputs"]


def test_a_model_without_examples_begins_with_a_sample(open_page) -> None:
    for name, written in (("graph", {"nodes", "edges"}), ("vectors", {"vectors"})):
        page = open_page(model=name)
        sample = json.loads(page.locator("#text-0").input_value())
        assert set(sample) == written
        expect(page.locator("#examples button")).to_have_count(0)


def test_examples_of_the_bundle_are_taken_as_they_are(open_model, context) -> None:
    given = [cases("image")[0][0], cases("image")[2][0]]

    def add(route: Route) -> None:
        answer = route.fetch().json()
        for model in answer["models"]:
            if model["name"] == "image":
                model["examples"] = given
        route.fulfill(json=answer)

    context.route("**/v1/models", add)
    with context.expect_event("request", lambda r: r.url.endswith("predict")) as first:
        page = open_model("image")
    assert asked(first.value) == given[:1]
    buttons = page.locator("#examples button")
    expect(buttons).to_have_text(["Example 1", "Example 2"])
    with page.expect_request("**/v1/predict") as second:
        buttons.nth(1).click()
    assert asked(second.value) == given[1:]
    wait_for_answer(page)


def test_another_modality_has_another_field_and_another_input(open_page) -> None:
    page = open_page(model="vectors", at0="2")
    label = page.locator("label[for=text-0]")
    expect(label).to_have_text("Vectors")
    page.select_option("#model", "word")
    expect(label).to_have_text("Word")
    expect(page.locator("#text-0")).to_have_value("")
    expect(page.locator("#heads")).to_be_hidden()
    page.fill("#text-0", "cab ")
    wait_for_answer(page)
    expect(page.locator("#pane-0 .token[aria-pressed=true]")).to_have_count(0)
    page.select_option("#model", "sound")
    expect(page.get_by_label("Sound", exact=True)).to_have_attribute("type", "file")
    expect(page.locator("#text-0")).to_be_hidden()
    expect(page.locator("#field-0 .tool canvas")).to_have_count(0)
    page.select_option("#model", "image")
    expect(page.locator("#field-0 .tool canvas")).to_be_visible()


def test_a_file_is_dropped(open_model) -> None:
    page = open_model("sound")
    content = cases("sound")[0][0]["audio"]
    drop = """content => {
        const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0));
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([bytes], "said.wav"));
        const field = document.querySelector("#field-0");
        field.dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }));
    }"""
    with page.expect_request("**/v1/predict") as request:
        page.evaluate(drop, content)
    assert asked(request.value) == [{"audio": content}]
    wait_for_answer(page)
    name = "input => input.files[0]?.name"
    assert page.locator("#file-0").evaluate(name) == "said.wav"
    page.evaluate("location.hash = 'model=sound&picture=lines'")
    expect(page.locator("#heads")).to_be_hidden()
    assert page.locator("#file-0").evaluate(name) is None


def test_a_sound_the_browser_cannot_read_is_shown_by_its_positions(open_model) -> None:
    page = open_model("sound")
    page.evaluate(
        "() => { OfflineAudioContext.prototype.decodeAudioData = () => Promise.reject(); }"
    )
    give(page, cases("sound")[0][0])
    wait_for_answer(page)
    expect(page.locator("#pane-0 .frame path")).to_have_count(0)
    expect(page.get_by_role("button", name="Play")).to_be_hidden()
    page.locator("#pane-0 .token").first.press("Enter")
    expect(page.locator("#pane-0 .token").first).to_have_attribute("aria-pressed", "true")


def test_a_picture_is_drawn_by_hand(open_model, context) -> None:
    page = open_model("image")
    sheet = page.locator("#field-0 canvas").bounding_box()
    x, y = sheet["x"] + 0.25 * sheet["width"], sheet["y"]
    page.mouse.move(x, y + 0.2 * sheet["height"])
    page.mouse.down()
    page.mouse.move(x, y + 0.9 * sheet["height"], steps=5)
    with page.expect_request("**/v1/predict") as request:
        page.mouse.up()
    (image,) = asked(request.value)
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(image["image"]))).convert("L"))
    assert drawn.shape == (8, 12)
    assert drawn[2:7, 2:4].mean() > 60, "white where the pen was"
    assert drawn[:, 6:].max() < 9 and drawn[0].max() < 9, "black elsewhere"
    wait_for_answer(page)
    other = context.new_page()  # a drawing is small enough for a link
    other.goto(page.evaluate("new Promise(done => setTimeout(() => done(location.href), 400))"))
    wait_for_answer(other)
    pixel = "canvas => canvas.getContext('2d').getImageData(30, 45, 1, 1).data[0]"
    assert other.locator("#field-0 canvas").evaluate(pixel) > 50
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#heads")).to_be_hidden()


def test_a_sound_is_recorded(open_model, context) -> None:
    context.grant_permissions(["microphone"])
    page = open_model("sound")
    page.get_by_role("button", name="Record").press("Enter")
    stop = page.get_by_role("button", name="Stop")
    expect(stop).to_be_visible()
    page.wait_for_timeout(700)
    with page.expect_request("**/v1/predict") as request:
        stop.press("Enter")
    (given,) = asked(request.value)
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(given["audio"])))
    assert rate == RATE and samples.ndim == 1
    assert 0.3 < len(samples) / rate < 60 and np.abs(samples).max() > 0.01, "it beeps"
    expect(page.get_by_role("button", name="Record")).to_be_visible()


def test_why_nothing_is_recorded_is_said(open_model) -> None:
    page = open_model("sound")
    page.get_by_role("button", name="Record").click()
    expect(page.locator("#field-0 [role=status]")).to_contain_text("No microphone: ")
    expect(page.get_by_role("button", name="Record")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "written", "told"),
    [
        ("graph", '{"nodes": [[1,', "This is not JSON"),
        ("graph", '{"nodes": [[1, 2, 3, 4, 5]], "edges": [[0, 7]]}', "Edge 0 is [0, 7]"),
        ("vectors", '{"vectors": [[1, 2]]}', "(length, 5) is wanted"),
        ("vectors", '{"vectors": [["1"]]}', "vectors.0.0: "),
        ("word", "x", "none of the letters"),
    ],
)
def test_what_is_wrong_is_said_at_the_field(open_model, complaints, name, written, told) -> None:
    page = open_model(name)
    page.fill("#text-0", written)
    expect(page.locator("#text-0-problem")).to_contain_text(told)
    expect(page.locator("#text-0")).to_have_attribute("aria-invalid", "true")
    give(page, cases(name)[0][0])
    wait_for_answer(page)
    expect(page.locator("#text-0-problem")).to_be_empty()
    complaints.clear()


def test_a_file_that_is_none_is_said_at_the_field(open_model, complaints) -> None:
    page = open_model("image")
    give(page, {"image": base64.b64encode(b"no image").decode()})
    expect(page.locator("#text-0-problem")).to_contain_text("ot a PNG or JPEG image")
    expect(page.get_by_label("Picture", exact=True)).to_have_attribute("aria-invalid", "true")
    complaints.clear()


def test_two_inputs_side_by_side(open_model) -> None:
    page = open_model("graph", compare="texts")
    first, second = cases("graph")[0][0], cases("graph")[1][0]
    give(page, first)
    give(page, second, field=1)
    expect(page.locator("#pane-1 .node")).to_have_count(8)
    expect(page.locator("#pane-0 .node")).to_have_count(4)
    expect(page.locator("label[for=text-1]")).to_have_text("Second graph")


@pytest.mark.parametrize(("name", "seconds"), [("sound", 0.9), ("vectors", 0)])
def test_a_command_reads_a_large_input_from_a_file(open_model, tmp_path, name, seconds) -> None:
    page = open_model(name)
    file = tmp_path / "it's"
    if name == "sound":
        noise = np.random.default_rng(1).standard_normal(int(RATE * seconds)) / 9
        given = {"audio": sound(noise.astype(np.float32))}
        file.write_bytes(base64.b64decode(given["audio"]))
        assert len(soundfile.read(file)[0]) == RATE * seconds
    else:
        given = {"vectors": np.random.default_rng(1).random((60, 5)).tolist()}
        file.write_text(json.dumps(given), "utf-8")
    with page.expect_response("**/v1/predict"):
        give(page, given)
    wait_for_answer(page)
    page.get_by_role("button", name="Copy as curl").click()
    expect(page.locator("#taken")).to_have_text("Command copied; it reads $FILE")
    command = page.evaluate("navigator.clipboard.readText()")
    assert len(command) < 400
    environment = os.environ | {"FILE": str(file)}
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True, env=environment)
    (result,) = json.loads(done.stdout)["results"]
    shown = float(page.locator(".head-value .value").inner_text())
    assert result["values"]["size"] == pytest.approx(shown, abs=1e-4)


def test_a_large_input_is_not_in_the_link(open_model) -> None:
    page = open_model("sound")
    give(page, cases("sound")[1][0])
    wait_for_answer(page)
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#taken")).to_have_text("Link copied, without the input")
    expect(page).to_have_url(re.compile("model=sound"))
    assert len(page.url) < 200
