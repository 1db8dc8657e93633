"""Sessions on a store, and callers with keys for them."""

import itertools

import pytest
from session_clients import ACME, opened

from amp.grading import store as session_store
from amp.grading.lanes import Lanes
from amp.grading.store import SessionStore
from amp.grading.types import Change, Head, Pen, State
from amp.store.functions import Functions

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


@pytest.fixture
def store(real_store):
    """The service under the client runs on a real store."""
    return real_store


@pytest.fixture
async def app(serve, tmp_path):
    """The whole service, its files in a folder of the test."""
    return await serve(data=tmp_path)


@pytest.fixture
async def client(wire, key):
    """The vendor's client, with a key for sessions of "acme"."""
    async with opened(wire, await key("sessions")) as client:
        yield client


@pytest.fixture
async def environment(client):
    return await client.beta.environments.create(name="here", config={"type": "self_hosted"})


@pytest.fixture
async def agent(client):
    return await client.beta.agents.create(name="writer", model="script")


@pytest.fixture
def session(client, agent, environment):
    """Makes sessions: `await session(title="...")`."""

    async def make(**fields):
        return await client.beta.sessions.create(agent=agent.id, environment_id=environment.id, **fields)

    return make
