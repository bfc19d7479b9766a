"""A service in a process of its own, for clients that are not ours."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tests.service.process import serving

KEY = "admin-key"


@pytest.fixture(scope="session")
def url(tiny: SimpleNamespace) -> Iterator[str]:
    """The address of a service of the tiny bundles."""
    settings = {"default_model": "tiny", "precision": "fp32", "threads": "1"}
    with serving(tiny.folder, admin_key=KEY, **settings) as (_, address):
        yield address
