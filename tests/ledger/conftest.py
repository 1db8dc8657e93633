"""The ledger on a store, and callers with keys for it."""

import pytest

from amp.ledger import store as ledger_store
from amp.ledger.store import LedgerStore
from amp.store.functions import Functions


@pytest.fixture
async def facts(store):
    """The ledger's own view of the store."""
    functions = Functions(store, [ledger_store.LIBRARY])
    await functions.load()
    return LedgerStore(store, functions)


@pytest.fixture
async def client(caller):
    """A client with a key for all of the ledger of "acme"."""
    return await caller("ledger")
