"""What the docs say is so: settings counted, tests and links followed."""

import re

from service.settings import SHIPPED, Settings
from tests.pages import PAGES, ROOT, blocks


def test_every_make_command_in_the_docs_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page in PAGES:
        for kind, block in blocks(page):
            if kind == "bash":
                assert set(re.findall(r"^make (\w+)", block, re.MULTILINE)) <= targets, page


def test_every_setting_is_documented_with_its_default() -> None:
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    for name, field in Settings.model_fields.items():
        default = "bundles" if field.default == SHIPPED else field.default
        assert f"| `REGARD_{name.upper()}` | `{default}` |" in page
    assert page.count("| `REGARD_") == len(Settings.model_fields)


def test_every_promise_of_security_names_a_test_that_exists() -> None:
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    for row in re.findall(r"^\| [^-p].*\|$", page, re.MULTILINE):
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row)
        assert named, row
        for file, test in named:
            assert f"\ndef {test}(" in (ROOT / file).read_text("utf-8"), f"{file}::{test}"


def test_every_link_within_the_docs_leads_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
