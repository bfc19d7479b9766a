"""What reads the files under deploy/, and a service of the shipped bundles."""

from collections.abc import Iterator

import pytest

from tests.deploy.tools import Tools
from tests.service.process import ROOT, serving


@pytest.fixture(scope="session")
def tools(pytestconfig: pytest.Config) -> Tools:
    return Tools(pytestconfig.cache)


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """The address of a service of the shipped bundles."""
    with serving(ROOT / "bundles") as (_, address):
        yield address
