"""A served dashboard: its clients, its keys, its measurements."""

import asyncio
import re
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from uvicorn import Config
from uvicorn.server import ServerState

from amp.http.protocol import HotProtocol
from amp.learning.insight_store import DAY_MS, InsightStore
from amp.learning.measure import Measure, group_key
from amp.learning.store import LearningStore
from amp.store.functions import Functions
from amp.store.keyring import Keyring, pepper
from amp.store.links import Links
from amp.tenancy import tenant

ARTEFACTS = Path(__file__).parents[2] / "test-artefacts"
"""Pictures of pages as they were seen."""
SCOPES = ("context", "outcome", "profile", "ledger", "sessions", "read", "admin")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
"""Of a browser that runs as root and asks nobody but us."""


@asynccontextmanager
async def listening(app):
    """The app on a port of its own, by the protocol of `amp serve`."""
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


class Site:
    """One service with its dashboard. Its data is the tenant `acme`'s, live, unless a test says otherwise."""

    def __init__(self, url, app, store, secret):
        self.url, self.app, self.store = url, app, store
        self.keyring = Keyring(store, pepper(secret))
        self.links = Links(store)
        self._secret = secret
        self._clients = []

    @property
    def house(self):
        """The rooms behind the pages."""
        return self.app._app.dependencies["house"].dependency()

    async def key(self, *scopes, tenant="acme", env="live", expires_ms=None):
        made, _ = await self.keyring.create(
            tenant=tenant, env=env, scopes=scopes or SCOPES, expires_ms=expires_ms
        )
        return made

    async def api(self, *scopes, **owner):
        """A client of the API."""
        key = await self.key(*scopes, **owner)
        return self._client({"Authorization": f"Bearer {key}"})

    def stranger(self):
        """A client without a session, whose forms say that they come from here."""
        return self._client({"Origin": self.url, "Accept": "text/html"})

    def _client(self, headers):
        self._clients.append(httpx.AsyncClient(base_url=self.url, headers=headers))
        return self._clients[-1]

    async def close(self):
        for client in self._clients:
            await client.aclose()

    async def signed_in(self, *scopes, key=None, **owner):
        """A client with a session; it follows no redirect."""
        client = self.stranger()
        answer = await client.post("/sign-in", data={"key": key or await self.key(*scopes, **owner)})
        assert answer.status_code == 303, answer.text
        return client

    async def cookie(self, key):
        """The session of this key, as a browser's context takes it."""
        client = await self.signed_in(key=key)
        return {"name": "amp_session", "value": client.cookies["amp_session"], "url": self.url}

    async def lived(self, api, *, users=100, times=1):
        """Everybody asks and reports: learned users complete, control users every second time."""
        for first in range(0, users, 100):
            some = range(first, min(first + 100, users))
            asked = [{"userId": f"user {each}", "task": "Parse", "taskType": "coding"} for each in some]
            for _ in range(times):
                answer = await api.post("/v1/context/batch", json={"items": asked})
                told = zip(some, answer.json()["items"], strict=True)
                outcomes = [
                    {
                        "requestId": each["requestId"],
                        "started": True,
                        "completed": each["metadata"]["group"] == "learned" or user % 2 == 0,
                        "timeToStart": 60 + user,
                    }
                    for user, each in told
                ]
                answer = await api.post("/v1/outcome/batch", json={"items": outcomes})
                assert answer.status_code == 200, answer.text

    async def worked(self, api, *, jobs=12):
        """Jobs with their costs, two in three of them with an outcome: CONVERTED, then DEFLECTED."""
        for number in range(jobs):
            name = f"job-{number}"
            made = {"agenticJobId": name, "name": f"Job {number}", "type": ("support", "sales")[number % 2]}
            used = {
                "transactionId": f"use-{number}",
                "toolId": "zoominfo",
                "durationMs": 400,
                "success": True,
                "timestamp": "2026-01-31T12:00:02Z",
                "costUsd": 1.0 + number,
                "agenticJobId": name,
            }
            kind = ("CONVERTED", "DEFLECTED")[number % 3 % 2]
            outcome = {"executionStatus": "SUCCESS", "outcomeType": kind, "outcomeValue": 10.0 + number}
            calls = [("/profitstream/v2/api/jobs", made), ("/meter/v2/tool/events", used)]
            if number % 3 < 2:
                calls.append((f"/profitstream/v2/api/jobs/{name}/outcome", outcome))
            for path, body in calls:
                answer = await api.post(path, json=body)
                assert answer.status_code in {200, 201}, answer.text

    async def measured(self, name="acme", env="live"):
        """As if the worker's flush and the background's look had come."""
        await self.house.room.counting.flush()
        policies = self.house.room.policies
        functions = Functions(self.store, self._sources())
        kept = {"retention_ms": 30 * DAY_MS}
        facts = LearningStore(self.store, functions, window_ms=DAY_MS, **kept)
        insights = InsightStore(self.store, functions, policies=policies, **kept)
        measure = Measure(facts, insights, policies=policies, key=group_key(self._secret))
        assert await measure.attend(tenant(name, env), 0.0)

    @staticmethod
    def _sources():
        from amp.learning import insight_store, store

        return [store.LIBRARY, insight_store.LIBRARY]


def csrf_in(page):
    """The token in a page's forms."""
    return re.search(r'name="csrf" value="([^"]+)"', page)[1]
