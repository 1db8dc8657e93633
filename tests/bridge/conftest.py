"""A service, a bridge on the same store, and callers who may decide, report and meter."""

import pytest
from bridging import SECRET

from amp.bridge.carrying import Carrying
from amp.settings import Settings


@pytest.fixture
async def client(caller):
    return await caller("context", "outcome", "profile", "ledger", "meter", "sessions", "admin", "read")


@pytest.fixture
def carrying(store, tmp_path):
    """Makes a bridge with settings of the test's own."""

    def make(**settings):
        return Carrying(Settings(**{"secret": SECRET, "data": tmp_path / "data", **settings}), store)

    return make


@pytest.fixture
def carry(carrying):
    """Lets the bridge take its turn, as often as there is something to carry; how many items it carried."""
    clock = iter(range(0, 10**9, 100))  # each turn is time for everything that is done now and then
    made = carrying()

    async def turn():
        total = 0
        while count := await made.bridge.turn(next(clock)):
            total += count
        return total

    turn.made = made
    return turn
