"""Sessions on a store, and callers with keys for them."""

import itertools

import pytest

from amp.grading import store as session_store
from amp.grading.lanes import Lanes
from amp.grading.store import SessionStore
from amp.grading.types import Change, Head, Pen, State
from amp.store.functions import Functions
from amp.tenancy import tenant

ACME = tenant("acme", "test")
AGENT = {"id": "agent_1", "type": "agent", "name": "writer", "version": 1, "model": {"id": "script"}}


@pytest.fixture
async def sessions(any_store):
    """Sessions on each kind of store there is."""
    functions = Functions(any_store, [session_store.LIBRARY])
    await functions.load()
    return SessionStore(any_store, functions)


@pytest.fixture
def lanes(any_store):
    return Lanes(any_store)


@pytest.fixture
def pen():
    """Pens for a session as it was read."""
    numbers = itertools.count(1)

    def new(session=None, now_us=1_000_000):
        seq, at_us = (session.seq, session.state.at_us) if session else (0, 0)
        return Pen(seq, at_us, now_us, lambda kind: f"{kind}_{next(numbers)}")

    return new


@pytest.fixture
def made(sessions, pen):
    """Makes a session with these events, given as types: `await made("sesn_1", "session.status_running")`."""

    async def make(name="sesn_1", *kinds, status="idle", at_us=1_000_000):
        writing = pen(now_us=at_us)
        events = [writing.event(kind) for kind in kinds]
        state = State(status=status, at_us=writing.at_us)
        head = Head(name, AGENT, "env_1", at_us, at_us)
        await sessions.create(ACME, Change(state, events, head=head), "t0")
        return await sessions.load(ACME, name)

    return make
