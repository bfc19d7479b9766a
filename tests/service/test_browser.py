"""What a browser may do: nothing that was not allowed, and no page loads from elsewhere."""

import re
from pathlib import Path

import pytest

from service.routes.pages import DOCS, EXPLORER

ASK = {"inputs": "noon"}
ORIGIN = {"origin": "https://app.example"}
PREFLIGHT = ORIGIN | {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-request-timeout",
}


def test_no_origin_may_ask_unless_set(client) -> None:
    response = client.post("/v1/predict", ASK, **ORIGIN)
    assert not [name for name in response.headers if name.startswith("access-control")]
    preflight = client.run(client.http.options("/v1/predict", headers=PREFLIGHT))
    assert preflight.status_code == 405
    assert not [name for name in preflight.headers if name.startswith("access-control")]


def test_an_origin_that_is_set_may_ask_with_a_key(make_client) -> None:
    client = make_client(
        cors_origins="https://app.example, https://other.example", api_keys="web:key"
    )
    preflight = client.run(client.http.options("/v1/predict", headers=PREFLIGHT))
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://app.example"
    answer = client.post("/v1/predict", ASK, authorization="Bearer key", **ORIGIN)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert "X-Request-Id" in answer.headers["access-control-expose-headers"]
    refused = client.post("/v1/predict", ASK, **ORIGIN)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"], "a page may read why"
    stranger = client.post("/v1/predict", ASK, origin="https://evil.example")
    assert "access-control-allow-origin" not in stranger.headers
    evil = PREFLIGHT | {"origin": "https://evil.example"}
    assert client.run(client.http.options("/v1/predict", headers=evil)).status_code == 400


def test_every_answer_forbids_to_guess_its_type(client) -> None:
    for path in ("/v1/models", "/docs", "/nowhere", "/metrics"):
        assert client.get(path).headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "media"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/explorer/main.js", "text/javascript; charset=utf-8"),
        ("/explorer/explorer.css", "text/css; charset=utf-8"),
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/docs.js", "text/javascript; charset=utf-8"),
        ("/docs/docs.css", "text/css; charset=utf-8"),
        ("/docs/icon.svg", "image/svg+xml"),
    ],
)
def test_the_pages_are_served_from_here_under_a_strict_policy(
    client, path: str, media: str
) -> None:
    response = client.get(path)
    assert response.headers["content-type"] == media
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'self'; ")
    assert not re.search(r"unsafe|https?:|\*|data:", policy)


def test_a_file_that_a_browser_has_is_not_sent_again(client) -> None:
    first = client.get("/explorer/main.js")
    assert first.headers["cache-control"] == "no-cache"
    etag = first.headers["etag"]
    assert etag != client.get("/explorer/grid.js").headers["etag"]
    known = {"if-none-match": f'"other", {etag}'}
    again = client.run(client.http.get("/explorer/main.js", headers=known))
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == etag


@pytest.mark.parametrize("path", ["/explorer/", "/explorer/index.html", "/explorer/../app.py"])
def test_nothing_else_of_the_folder_is_served(client, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(("path", "folder"), [("/", EXPLORER), ("/docs", DOCS)])
def test_a_page_names_no_other_host_and_no_script_within(client, path: str, folder: Path) -> None:
    page = client.get(path).text
    linked = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert "docs/theme.css" in linked
    for link in linked:
        assert client.get(f"/{link.removeprefix('./')}").status_code == 200
    assert not re.search(r"<script[^>]*>[^<]", page)
    assert not re.search(r"\son\w+=|style=|<style", page)
    for file in folder.iterdir():
        text = re.sub(r"http://www\.w3\.org/2000/svg|// .*", "", file.read_text("utf-8"))
        assert not re.search(r"//[\w-]|\burl\(|@import", text), file.name
