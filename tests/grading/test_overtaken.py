"""Requests and steps that come at the same moment: one of them counts."""

import asyncio

import httpx
import pytest
from loops import INTERRUPT, Room, message, outcome

from amp.grading.store import SessionStore


@pytest.mark.parametrize("header", ["Idempotency-Key", "x-stainless-retry-count"])
async def test_the_same_request_twice_at_once_is_taken_in_once(client, session, wire, header):
    made = await session()
    path, body = f"/v1/sessions/{made.id}/events", {"events": [message()]}
    headers = {"authorization": f"Bearer {client.api_key}", header: "1"}
    async with httpx.AsyncClient(base_url=wire, headers=headers) as http:
        answers = await asyncio.gather(*(http.post(path, json=body) for _ in range(6)))
    assert {each.status_code for each in answers} == {200}
    assert len({each.json()["data"][0]["id"] for each in answers}) == 1


async def test_a_step_that_was_interrupted_before_it_was_handed_out_leaves_no_work(sessions, monkeypatch):
    room = Room(sessions)
    name = await room.made(outcome(), model="worker")
    commit = SessionStore.commit

    async def late(self, tenant, session, version, change, *given, **more):
        if change.state.loop.get("worker"):
            monkeypatch.setattr(SessionStore, "commit", commit)
            await room.send(name, INTERRUPT)
        return await commit(self, tenant, session, version, change, *given, **more)

    monkeypatch.setattr(SessionStore, "commit", late)
    assert await room.course(name).run() == "rest"
    assert (await room.state(name)).outcomes[0].result == "interrupted"
    assert room.offered == {}
    await room.client.aclose()
