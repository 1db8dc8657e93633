"""The process that draws pages, beside the workers: they pass on to it what people ask for.

A page takes 5 to 50 ms of work, in which a worker would answer no context.
"""

import asyncio
import os
from contextlib import suppress
from typing import Any

import uvicorn

from amp.app import House, Upstairs, application
from amp.beside import NICENESS
from amp.dashboard.mount import dashboard
from amp.dashboard.pages import compiled, templates
from amp.errors import StoreUnavailable
from amp.http.elsewhere import Behind
from amp.store.keyring import Keyring, pepper
from amp.tenancy import tenant

PREPARE_S = 5.0
"""What is not read by then is read when somebody looks."""
_background: set[asyncio.Task[None]] = set()
_SERVER: dict[str, Any] = {
    "loop": "uvloop",
    "http": "amp.http.protocol:HotProtocol",
    "ws": "none",
    "lifespan": "on",
    "access_log": False,
    "log_level": "warning",
    "server_header": False,
    "date_header": False,  # the worker says it
    "proxy_headers": False,
    "timeout_graceful_shutdown": 1,
}


def run(socket: str) -> None:
    """Draws until SIGTERM."""
    uvicorn.Server(uvicorn.Config(drawing, factory=True, uds=socket, **_SERVER)).run()


def drawing() -> Behind:
    """The whole service with its dashboard, which decides for nobody."""
    houses: list[House] = []

    def build(house: House) -> Upstairs:
        house.room.attendance.announces = False
        houses.append(house)
        return dashboard(house)

    async def up() -> None:
        task = asyncio.create_task(prepare(houses[0]))  # who waits by now is not to wait for all of it
        _background.add(task)
        task.add_done_callback(_background.discard)  # what went wrong is logged when nobody holds it
        os.nice(NICENESS)  # from now on: who waits for it to come up should not wait for long

    return Behind(application(build), up)


async def prepare(house: House) -> None:
    """So that the first visit takes no longer than others: templates, and the sums of every tenant."""
    for name in templates():
        compiled(name)
        await asyncio.sleep(0)  # whoever waits goes first
    keyring = Keyring(house.store, pepper(house.settings.secret or ""))
    with suppress(StoreUnavailable, TimeoutError):
        async with asyncio.timeout(PREPARE_S):
            for owner in {tenant(each.tenant, each.env) for each in await keyring.all()}:
                await house.books.reports.values(owner)
