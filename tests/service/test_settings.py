"""Settings come from the environment, are documented, and may not contradict each other."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.settings import Settings


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGARD_MAX_INPUTS", "7")
    monkeypatch.setenv("REGARD_BUNDLES", "elsewhere:/over there")
    settings = Settings()
    assert settings.max_inputs == 7
    assert settings.bundles == (Path("elsewhere"), Path("/over there"))


def test_every_setting_is_documented_and_has_a_default() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert not field.is_required(), name


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_request_positions": 10, "max_queue_positions": 9}, "could never wait"),
        ({"precision": "int4"}, "precision"),
        ({"port": 65536}, "port"),
        ({"max_inputs": 0}, "max_inputs"),
        ({"workers": 0}, "workers"),
        ({"watch_s": -1}, "watch_s"),
        ({"admin_key": ""}, "admin_key"),
        ({"admin_key": "k", "admin_key_file": "key"}, "both set"),
        ({"max_input": 3}, "max_input"),
        ({"bundles": ""}, "one of the folders has no name"),
        ({"bundles": "here::there"}, "one of the folders has no name"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings(**values)


def test_a_key_is_never_shown() -> None:
    assert "horse" not in f"{Settings(admin_key='horse')!r} {Settings(admin_key='horse')}"
