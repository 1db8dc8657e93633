"""Both clients, before a stand-in for the server."""

import httpx
import pytest
from stand_in import Caller, Server, settled

from amp.client import AMP, AsyncAMP


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def no_jitter(monkeypatch):
    monkeypatch.setattr("random.random", lambda: 0.0)


@pytest.fixture(params=[AMP, AsyncAMP], ids=["sync", "async"])
async def amp(request, server, no_jitter):
    # the deadline of a context is held elsewhere: a busy machine took longer than it for a thread to begin
    client = request.param(
        "amp_sk_test_1", "http://amp.test", transport=httpx.MockTransport(server), context_deadline_s=5.0
    )
    yield Caller(client)
    await settled(client.close())
