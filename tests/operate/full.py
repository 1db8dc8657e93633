"""A service with something of everything in it, driven and read through its public surface."""

import asyncio
import json
from contextlib import asynccontextmanager, contextmanager

from amp.app import create
from amp.settings import Settings
from amp.store.connection import connect
from amp.store.keeper import opened
from amp.store.keyring import Keyring, pepper

SCOPES = ("context", "outcome", "profile", "ledger", "sessions", "read")
USERS = [f"u{number}" for number in range(6)]
JOBS = [f"j{number}" for number in range(8)]


@asynccontextmanager
async def service(running, data, **settings):
    """A service on this folder, and its complete settings."""
    with opened(Settings(data=data, **settings), lasting=True) as complete:
        store = connect(complete.redis)
        app = create(complete, store)
        async with running(app):
            yield app, complete
        await store.close()


async def new_key(complete):
    store = connect(complete.redis)
    key, _ = await Keyring(store, pepper(complete.secret)).create(
        tenant="acme", env="test", scopes=SCOPES, expires_ms=None
    )
    await store.close()
    return key


async def fill(client):
    """Histories, preferences, money, a file, a session; the ids of the last two."""
    for number, user in enumerate(USERS):
        await client.interact(user, times=number + 1, completed=number % 2 == 0, satisfaction=0.5)
    answer = await client.put("/v1/profile/u1", json={"preferredDetailLevel": "brief"})
    assert answer.status_code == 200, answer.text
    for number, job in enumerate(JOBS):
        await meter(client, job, f"c-{job}", cost=number + 1)
    uploaded = await client.post("/v1/files", files={"file": ("plan.txt", b"what was planned")})
    agent = await client.post("/v1/agents", json={"name": "writer", "model": "script"})
    place = await client.post("/v1/environments", json={"name": "here", "config": {"type": "self_hosted"}})
    session = await client.post(
        "/v1/sessions", json={"agent": agent.json()["id"], "environment_id": place.json()["id"]}
    )
    assert session.status_code == 200, session.text
    return uploaded.json()["id"], session.json()["id"]


async def meter(client, job, name, *, cost=1.0):
    answer = await client.post(
        "/meter/v2/tool/events",
        json={"toolId": "search", "transactionId": name, "agenticJobId": job, "costUsd": cost},
    )
    assert answer.status_code == 201, answer.text


async def read(client, file, session):
    """Everything that was filled in, as a user of the service sees it."""
    paths = [f"/v1/profile/{user}{what}" for user in USERS for what in ("", "/posterior", "/export")]
    paths += [f"/v1/ledger/jobs/{job}/chain" for job in JOBS]
    paths += ["/v1/files", f"/v1/files/{file}/content", f"/v1/sessions/{session}/events"]
    paths += [f"/v1/sessions/{session}"]
    answers = [await client.get(path) for path in paths]
    assert {answer.status_code for answer in answers} == {200}, [
        (path, answer.text) for path, answer in zip(paths, answers, strict=True) if answer.status_code != 200
    ]
    seen = {path: answer.content for path, answer in zip(paths, answers, strict=True)}
    shown = json.loads(seen[f"/v1/sessions/{session}"])
    del shown["stats"]  # how long it has been there
    return seen | {f"/v1/sessions/{session}": shown}


class Done(list):
    """What was acknowledged so far: the request's id and the event's."""

    async def many(self, more):
        """Waits until there are so many more."""
        enough, came = len(self) + more, asyncio.Event()
        self.wake = lambda: came.set() if len(self) >= enough else None
        await came.wait()

    def wake(self):
        """Nobody waits yet."""


@contextmanager
def load(client):
    """Reports and metering without a pause until the end of the block; what was acknowledged so far."""
    done = Done()

    async def one(worker):
        number = 0
        while True:
            number += 1
            request = await client.decided(f"busy{worker}")
            assert (await client.outcome(request, completed=True)).status_code == 200
            name = f"m{worker}-{number}"
            await meter(client, f"busy-{number % 5}", name)
            done.append((request, name))
            done.wake()

    tasks = [asyncio.create_task(one(worker)) for worker in range(4)]
    try:
        yield done
        assert not any(task.done() for task in tasks), "a worker has failed"
    finally:
        for task in tasks:
            task.cancel()
