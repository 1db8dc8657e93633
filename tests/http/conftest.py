"""The service behind uvicorn's protocol, on loopback."""

import asyncio

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from amp.http.protocol import HotProtocol
from amp.learning import admin


@pytest.fixture
async def wire(app):
    """The URL of the service behind the protocol that `amp serve` uses, on a port of its own."""
    config = Config(app, http=HotProtocol, lifespan="off", proxy_headers=False, log_config=None)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: HotProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    host, port = server.sockets[0].getsockname()
    yield f"http://{host}:{port}"
    server.close()
    for connection in list(state.connections):
        connection.shutdown()
    await asyncio.gather(*state.tasks)
    await server.wait_closed()


@pytest.fixture(autouse=True)
def _no_background_fit_to_wait_for(monkeypatch):
    """It runs in a process of its own; a test that has one waits as long as it likes."""
    monkeypatch.setattr(admin, "REFIT_WITHIN_S", 0.0)
