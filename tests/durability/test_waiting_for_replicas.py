"""Who waits for replicas watches those that lack something, and lets a copy take its time."""

import asyncio

import pytest
from group import group, until

from amp.exits import CommandFailed
from amp.store import replicated
from amp.store.moving import patient

KEYS = 300


@pytest.fixture
def one():
    """A primary with one replica in step."""
    with group(1) as made:
        yield made


@pytest.fixture
def copying(one):
    """Another replica follows it, to which more than four seconds are copied."""
    one.primary.ask.mset({f"key-{number}": "x" * 1000 for number in range(KEYS)})
    one.primary.ask.config_set("rdb-key-save-delay", 15_000)  # us
    one.follow()
    until(lambda: "wait_bgsave" in states(one) or "send_bulk" in states(one), "it is being copied to")
    return one


def states(made):
    told = made.primary.ask.info("replication")
    return [told[f"slave{number}"]["state"] for number in range(told["connected_slaves"])]


def wait(made, replicas, within_s=20):
    async def run():
        store = patient(made.primary.url)
        try:
            await asyncio.wait_for(replicated.replicated(store, replicas), within_s)
        finally:
            await store.close()

    asyncio.run(run())


def test_a_copy_that_takes_longer_than_a_standstill_may_is_waited_for(copying, monkeypatch):
    monkeypatch.setattr(replicated, "STANDSTILL_S", 2.0)
    wait(copying, 2)
    assert copying.replicas[1].ask.dbsize() == KEYS


def test_a_copy_that_never_ends_is_waited_for_no_longer_than_is_said(copying, monkeypatch):
    monkeypatch.setattr(replicated, "COPY_S", 2.0)
    with pytest.raises(CommandFailed, match=r"1 of 2 replicas have .* still copied to after .* minutes"):
        wait(copying, 2)
    assert states(copying) != ["online", "online"]


def test_a_replica_that_is_stuck_is_named_though_another_hears_of_the_primary_all_the_time(one, monkeypatch):
    monkeypatch.setattr(replicated, "STANDSTILL_S", 2.0)
    one.follow()
    one.settled()
    one.heard()
    one.primary.ask.config_set("repl-ping-replica-period", 1)  # s: a healthy one's offset moves by these
    with one.paused(one.replicas[1]):
        one.primary.ask.mset({f"key-{number}": "x" * 1000 for number in range(KEYS)})
        with pytest.raises(CommandFailed, match="1 of 2 replicas have what"):
            wait(one, 2)
