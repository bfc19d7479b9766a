"""Who may ask: whoever has a key, where keys are set; as often as the key allows."""

from hmac import compare_digest
from pathlib import Path

import httpx
import pytest

from service import keys
from service.keys import AdminKey, ApiKeys
from service.settings import Settings

ASK = {"inputs": "noon"}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def problem(response: httpx.Response, status: int) -> str:
    assert response.status_code == response.json()["status"] == status
    assert response.headers["content-type"] == "application/problem+json"
    return response.json()["type"].removeprefix("urn:regard:")


@pytest.fixture(scope="module")
def guarded(make_client):
    return make_client(api_keys="web:first-key, batch:second", admin_key="chief")


def test_without_keys_everybody_may_ask(client) -> None:
    assert client.post("/v1/predict", ASK).status_code == 200
    assert client.post("/v1/predict", ASK, **bearer("any")).status_code == 200


@pytest.mark.parametrize("key", ["first-key", "second", "chief"])
def test_whoever_has_a_key_may_ask(guarded, key: str) -> None:
    assert guarded.post("/v1/predict", ASK, **bearer(key)).status_code == 200
    lower = {"authorization": f"bearer  {key}"}
    assert guarded.post("/v1/predict", ASK, **lower).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("first-ke"),
        bearer("first-key2"),
        bearer("web:first-key"),
        bearer(""),
        bearer("first-key, second"),
        {"authorization": "first-key"},
        {"authorization": "Basic first-key"},
        {"authorization": b"Bearer \xff"},
        {"x-api-key": "first-key"},
    ],
)
def test_nobody_else_may_and_the_body_is_not_read(guarded, headers: dict) -> None:
    async def body():
        raise AssertionError("nobody should have asked for it")
        yield b""

    for path in ("/v1/predict", "/v1/models", "/nowhere"):
        response = guarded.run(guarded.http.post(path, headers=headers, content=body()))
        assert problem(response, 401) == "unauthorized"
        assert response.headers["www-authenticate"] == "Bearer"
        for key in ("first-key", "second", "chief"):
            assert key not in response.text.replace("this key", "")
    assert problem(guarded.run(guarded.http.get("/v1/models", headers=headers)), 401)


@pytest.mark.parametrize(
    "path",
    [
        *("/health/live", "/health/started", "/health/ready", "/metrics"),
        *("/", "/explorer/main.js", "/docs", "/docs/docs.js"),
    ],
)
def test_health_metrics_and_the_pages_need_no_key(guarded, path: str) -> None:
    assert guarded.get(path).status_code == 200


def test_a_key_to_ask_is_no_key_to_load_models(guarded) -> None:
    def put(key: str) -> httpx.Response:
        return guarded.run(guarded.http.put("/v1/models/tiny", headers=bearer(key)))

    assert problem(put("first-key"), 401) == "unauthorized"
    assert put("chief").status_code == 200


def test_every_key_is_compared_whichever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """In constant time, of digests of one length, and without an early end."""
    settings = Settings(api_keys="a:one,b:two,c:three")
    api_keys = ApiKeys(settings, AdminKey(settings))
    compared: list[tuple[bytes, bytes]] = []

    def compare(ours: bytes, theirs: bytes) -> bool:
        compared.append((ours, theirs))
        return compare_digest(ours, theirs)

    monkeypatch.setattr(keys.hmac, "compare_digest", compare)
    for sent in ("one", "three", "none of them"):
        compared.clear()
        try:
            api_keys.check("/v1/predict", {b"authorization": b"Bearer " + sent.encode()})
        except keys.Unauthorized:
            assert sent == "none of them"
        assert len(compared) == 3
        assert {len(digest) for pair in compared for digest in pair} == {32}


def test_a_key_is_refused_that_asks_too_often_and_others_are_not(make_client) -> None:
    client = make_client(api_keys="slow:a:0.001,free:b")
    assert client.post("/v1/predict", ASK, **bearer("a")).status_code == 200
    response = client.post("/v1/predict", ASK, **bearer("a"))
    assert problem(response, 429) == "rate-limited"
    assert 900 < int(response.headers["retry-after"]) <= 1000
    assert "the key slow may ask 0.001 times a second" in response.json()["detail"]
    for _ in range(3):
        assert client.post("/v1/predict", ASK, **bearer("b")).status_code == 200
    assert 'regard_problems_total{type="rate-limited"} 1.0' in client.get("/metrics").text


def test_keys_may_be_in_a_file(make_client, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("web:first\n\n batch:second:5 \n")
    client = make_client(api_keys_file=tmp_path / "keys")
    for key in ("first", "second"):
        assert client.post("/v1/predict", ASK, **bearer(key)).status_code == 200
    assert problem(client.post("/v1/predict", ASK), 401) == "unauthorized"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("secret", "number 1 is no"),
        ("web:secret,:secret", "number 2 is no"),
        ("web:secret:fast", "number 1 is no"),
        ("web:secret:0", "number 1 is no"),
        ("web:secret:-1", "number 1 is no"),
        ("web:sec ret", "number 1 is no"),
        ("web:one,web:secret", "the same name"),
        ("web:secret,batch:secret", "the same key"),
        ("web:secret,admin:other", "the same name"),
        (" , ", "no key"),
    ],
)
def test_what_are_no_keys_ends_the_start_and_is_not_told(text: str, told: str) -> None:
    settings = Settings(api_keys=text, admin_key="chief")
    with pytest.raises(ValueError, match=told) as raised:
        ApiKeys(settings, AdminKey(settings))
    assert "secret" not in str(raised.value)
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(("content", "told"), [(None, "No such file"), ("\n", "is empty")])
def test_a_file_without_keys_ends_the_start(tmp_path: Path, content: str | None, told: str) -> None:
    if content is not None:
        (tmp_path / "keys").write_text(content)
    settings = Settings(api_keys_file=tmp_path / "keys")
    with pytest.raises(ValueError, match=told):
        ApiKeys(settings, AdminKey(settings))


def test_keys_are_given_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="both set"):
        Settings(api_keys="a:b", api_keys_file=tmp_path)
