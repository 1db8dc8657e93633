"""A room to run sessions in: folders in memory, roles as a test wants them, and a caller who sends events."""

import asyncio
import itertools
import secrets

import httpx

from amp.grading.course import Course, Place
from amp.grading.ids import new_id, now_us
from amp.grading.receiving import received
from amp.grading.roles import Providers, Roles
from amp.grading.store import Stale
from amp.grading.types import Change, Head, Pen, State
from amp.tenancy import tenant

ACME = tenant("acme", "test")


class MemoryFolder:
    def __init__(self):
        self.files = {}

    async def sizes(self):
        return {path: len(data) for path, data in self.files.items()}

    async def read(self, path):
        return self.files.get(path)

    async def write(self, path, data):
        self.files[path] = data


class Room:
    """What a loop needs, on this store."""

    def __init__(self, sessions, *, heartbeat_s=5.0, pause_s=0.001, roles=None, **providers):
        self.sessions = sessions
        self.folders = {}
        self.offered, self.ended = {}, []
        self.client = httpx.AsyncClient(trust_env=False, timeout=0.5)
        roles = roles or Roles(Providers(scripts=True, **providers), self.client)
        self.place = Place(
            sessions, roles, self.folder, self, "loop 1", heartbeat_s=heartbeat_s, pause_s=pause_s
        )

    def folder(self, _, name):
        return self.folders.setdefault(name, MemoryFolder())

    async def offer(self, _, environment, session, metadata, *, name):
        self.offered[name] = (environment, session, metadata)
        return name

    async def end(self, _tenant, _environment, name):
        self.ended.append(name)

    def course(self, name, **changed):
        return Course(self.place._replace(**changed), ACME, name)

    async def made(self, *inputs, model="script", metadata=None, agent_metadata=None, name=None):
        """A session that begins with these inputs."""
        name = name or new_id("sesn")
        agent = {"id": "agent_1", "type": "agent", "name": "writer", "version": 1, "model": {"id": model}}
        now = now_us()
        head = Head(
            name, agent, "env_1", now, now, metadata=metadata or {}, agent_metadata=agent_metadata or {}
        )
        await self.sessions.create(ACME, Change(State(), head=head), "t0")
        if inputs:
            await self.send(name, *inputs)
        return name

    async def send(self, name, *inputs):
        """Sends a batch, as the service would."""
        while True:
            session = await self.sessions.load(ACME, name)
            pen = Pen(session.seq, session.state.at_us, now_us(), new_id)
            change, echoes = received(session, inputs, pen)
            try:
                await self.sessions.commit(ACME, name, session.version, change, secrets.token_hex(4))
            except Stale:
                continue
            return echoes

    async def state(self, name):
        return (await self.sessions.load(ACME, name)).state

    async def events(self, name):
        return [each.event for each in await self.sessions.events(ACME, name)]

    async def until(self, name, sees, within_s=10):
        """Waits until the log satisfies."""
        for _ in itertools.count():
            events = await self.events(name)
            if sees(events):
                return events
            await asyncio.sleep(0.005)
            within_s -= 0.005
            assert within_s > 0, [short(each) for each in events]
        return None


def outcome(description="Write a report", rubric="- Has a title\n- Has a sum", iterations=3):
    return {
        "type": "user.define_outcome",
        "description": description,
        "rubric": {"type": "text", "content": rubric},
        "max_iterations": iterations,
    }


def message(text="Make it short"):
    return {"type": "user.message", "content": [{"type": "text", "text": text}]}


INTERRUPT = {"type": "user.interrupt"}


def plan(*parts):
    """Metadata with a script."""
    import json

    return {"outcome_script": json.dumps(list(parts))}


def short(event):
    """An event in a word: `end#0=satisfied`, `idle:end_turn`, `user.message?` while it waits."""
    kind = event["type"].removeprefix("span.").removeprefix("session.status_")
    kind = kind.replace("outcome_evaluation_", "")
    if "iteration" in event:
        kind += f"#{event['iteration']}"
    if "result" in event:
        kind += f"={event['result']}"
    if "stop_reason" in event:
        kind += f":{event['stop_reason']['type']}"
    if event["type"] == "session.error":
        kind += f":{event['error']['retry_status']['type']}"
    return kind + ("?" if event.get("processed_at", "") is None else "")


def shorts(events):
    return [short(each) for each in events]
