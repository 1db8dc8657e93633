"""pytest fixtures, by `pytest_plugins = ["amp.client.fixtures"]` in a conftest.py."""

from collections.abc import Generator

import pytest

from amp.client.sync import AMP
from amp.client.testing import FakeAmp


@pytest.fixture
def fake_amp() -> FakeAmp:
    """A fake server of the test's own."""
    return FakeAmp()


@pytest.fixture
def amp(fake_amp: FakeAmp) -> Generator[AMP]:
    """A client of the fake server; whatever it has queued arrives before the test ends."""
    with fake_amp.client() as client:
        yield client
