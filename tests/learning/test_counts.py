"""Decisions are counted where they are answered."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from amp import observe
from amp.learning.store import LearningStore

KINDS = [(group, how) for group in ("learned", "control") for how in ("mean", "explored", "degraded")]


def counted():
    """Decisions by how they came about, over both groups."""
    observe.hand_on()
    told = dict.fromkeys(("mean", "explored", "degraded"), 0)
    for group, how in KINDS:
        told[how] += REGISTRY.get_sample_value("amp_contexts_total", {"group": group, "how": how}) or 0
    return told


@pytest.fixture
def gate(monkeypatch):
    """Reads wait until it is opened; what has passed it is told by the second event."""
    opened, passed = asyncio.Event(), asyncio.Event()
    current = LearningStore.current

    async def late(self, users):
        await opened.wait()
        answer = await current(self, users)
        passed.set()
        return answer

    monkeypatch.setattr(LearningStore, "current", late)
    return opened, passed


async def test_a_decision_counts_once_as_what_it_was(client, outage):
    before = counted()
    assert (await client.context()).status_code == 200
    with outage():
        assert (await client.context()).status_code == 200
    after = counted()
    assert after["degraded"] == before["degraded"] + 1
    assert sum(after.values()) == sum(before.values()) + 2


async def test_a_decision_that_comes_too_late_is_not_counted_beside_the_one_that_was_answered(
    gate, monkeypatch, serve, caller
):
    monkeypatch.setattr("amp.learning.service.DECIDE_WITHIN_S", 0.0)
    client = await caller(on=await serve())
    before = counted()
    assert (await client.context()).json()["metadata"]["degraded"] is True
    opened, passed = gate
    opened.set()
    await asyncio.wait_for(passed.wait(), 5)
    await asyncio.sleep(0)  # the late decision is made in the step after its read
    after = counted()
    assert after == before | {"degraded": before["degraded"] + 1}
