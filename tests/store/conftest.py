"""The learning room's facts on a store."""

import pytest
from reports import DAY_MS

from amp.learning import fit_store, selfplay
from amp.learning import store as learning_store
from amp.learning.fit_store import FitStore
from amp.learning.store import LearningStore
from amp.store import keyring
from amp.store.functions import Functions


@pytest.fixture(autouse=True)
def _games_of_a_few(monkeypatch):
    """Each fit plays for its temperature; that it is the best is for test_selfplay.py."""
    monkeypatch.setattr(selfplay, "USERS", 16)


@pytest.fixture
async def functions(store):
    """Every library, loaded."""
    loaded = Functions(store, [keyring.LIBRARY, learning_store.LIBRARY, fit_store.LIBRARY])
    await loaded.load()
    return loaded


@pytest.fixture
def facts_with(store, functions):
    """Facts with a window and a retention of the test's own, on the same store."""

    def make(*, window_ms=DAY_MS, retention_ms=30 * DAY_MS):
        return LearningStore(store, functions, window_ms=window_ms, retention_ms=retention_ms)

    return make


@pytest.fixture
def facts(facts_with):
    """Facts with the default window of a day."""
    return facts_with()


@pytest.fixture
def fits(store, functions):
    """What the store knows of fits, with the default retention."""
    return FitStore(store, functions, retention_ms=30 * DAY_MS)


@pytest.fixture
async def now(facts):
    """The store's clock when the test began, in milliseconds."""
    at, _ = await facts.read([])
    return at
