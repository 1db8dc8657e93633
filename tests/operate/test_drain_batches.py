"""Batches under way when the service is told to end are answered whole, and what they acknowledge stands."""

import asyncio
import json
import time
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
from running import refused, serving

from amp.learning.record import read_record
from amp.ledger.store import LedgerStore
from amp.store.connection import connect
from amp.store.functions import Functions
from amp.store.keys import record_key
from amp.tenancy import tenant

OWNER = tenant("default", "test")
OUTCOME, METER = b"amp_learning_report_", b"amp_ledger_meter_"
ITEMS = 100
ROW = 48
HELD_S = 0.7
"""Less than the service waits for its store."""


class Held:
    """A way to a store whose answers can be held back; it knows what was asked meanwhile."""

    def __init__(self, path):
        self._path = path
        self._writers = []
        self._asked = b""
        self._more = asyncio.Event()
        self.through = asyncio.Event()
        self.through.set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for writer in self._writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def has_asked(self, *names):
        async with asyncio.timeout(20):
            while not all(name in self._asked for name in names):
                self._more.clear()
                await self._more.wait()

    async def _carry(self, reader, writer):
        with suppress(OSError):
            there, back = await asyncio.open_unix_connection(self._path)
            self._writers += [writer, back]
            await asyncio.gather(self._ask(reader, back), self._answer(there, writer))

    async def _ask(self, reader, writer):
        with suppress(OSError):
            while data := await reader.read(65536):
                if not self.through.is_set():
                    self._asked += data
                    self._more.set()
                writer.write(data)
        writer.close()

    async def _answer(self, reader, writer):
        with suppress(OSError):
            while data := await reader.read(65536):
                await self.through.wait()
                writer.write(data)
        writer.close()


@asynccontextmanager
async def in_a_thread(manager):
    """The same, entered and left where it holds up nobody here."""
    entered = await asyncio.to_thread(manager.__enter__)
    try:
        yield entered
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


def told_to_end(url):
    """Waits until nobody listens any more, or the answers cannot be held any longer."""
    end = time.monotonic() + HELD_S
    while time.monotonic() < end and not refused(url):
        time.sleep(0.01)


@pytest.mark.timeout(120)
async def test_batches_under_way_at_sigterm_get_their_whole_answer_and_what_they_acknowledged_stands(
    data, own_server, run, monkeypatch
):
    monkeypatch.setenv("AMP_SECRET", "x" * 32)
    direct = own_server[0]
    async with (
        Held(direct.removeprefix("unix://")) as held,
        in_a_thread(serving(data, "--redis", held.url, AMP_DRAIN="5s")) as (service, announced),
    ):
        made = await asyncio.to_thread(run, "keys", "create", "--json", "--redis", direct, "--data", data)
        headers = {"Authorization": f"Bearer {json.loads(made.stdout)['key']}"}
        async with (
            httpx.AsyncClient(base_url=announced["url"], headers=headers, timeout=20) as reporting,
            httpx.AsyncClient(base_url=announced["url"], headers=headers, timeout=20) as metering,
        ):
            await metering.get("/livez")  # the connection is there, and kept
            asks = [{"userId": f"user-{number}", "task": "x"} for number in range(ITEMS)]
            decided = (await reporting.post("/v1/context/batch", json={"items": asks})).json()["items"]
            reports = [{"requestId": each["requestId"], "started": True} for each in decided]
            uses = [
                {"toolId": "search", "transactionId": f"t{number}", "costUsd": 1} for number in range(ITEMS)
            ]
            held.through.clear()
            under_way = asyncio.gather(
                reporting.post("/v1/outcome/batch", json={"items": reports}),
                metering.post("/v1/ledger/meter/batch", json={"items": uses}),
            )
            await held.has_asked(OUTCOME, METER)
            service.terminate()
            await asyncio.to_thread(told_to_end, announced["url"])
            assert not under_way.done()
            held.through.set()
            answers = await under_way
        assert await asyncio.to_thread(service.wait, 20) == 0
    for answer in answers:
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert len(answer.json()["items"]) == ITEMS
    outcomes, records = (answer.json()["items"] for answer in answers)
    acknowledged = [ask["userId"] for ask, item in zip(asks, outcomes, strict=True) if "error" not in item]
    metered = [item for item in records if "error" not in item]
    assert acknowledged
    assert metered
    rows, entries = await kept(direct, acknowledged)
    assert rows == [1] * len(acknowledged)
    assert len(metered) <= entries <= ITEMS


async def kept(url, users):
    """How many outcomes each user has, and how many records the ledger."""
    store = connect(url)
    rows = [await store.ask("GET", record_key(OWNER, user)) for user in users]
    heads = await LedgerStore(store, Functions(store, [])).heads(OWNER)
    await store.close()
    return [len(read_record(each).rows) // ROW for each in rows], sum(head.length for head in heads)
