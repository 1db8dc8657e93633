"""What the bridge does with what it cannot carry, with hints that were lost, and at rest."""

import logging
from unittest.mock import patch

import pytest
from bridging import ACME, report_job

from amp.errors import StoreUnavailable
from amp.store.keys import bridge_box, bridge_counts, record_key
from amp.store.ledger_keys import bucket_of

BUCKET = bucket_of("job-1")


async def interactions(client, user="ada"):
    answer = await client.get(f"/v1/profile/{user}")
    return answer.json()["totalInteractions"] if answer.status_code == 200 else 0


async def counted(store, number=BUCKET):
    flat = await store.ask("HGETALL", bridge_counts(ACME, number))
    return {name.decode(): int(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}


POISON = [
    ("j", "job-1", "p", "1", "q", "req"),  # a job's making, which is no outcome
    ("j", "job-1", "p", "99", "q", "req"),  # no such entry
    ("j", "job-1", "p", "x", "q", "req"),
    ("j", "job-1", "p", "2"),
    ("o", "outc_1", "v", "satisfied", "q", "req"),
    ("q", "\x00"),
]


@pytest.mark.parametrize("poison", POISON)
async def test_what_nobody_can_read_is_skipped_with_a_line_and_blocks_nothing(
    client, store, carry, caplog, poison
):
    request_id = await client.decided()
    await store.ask("XADD", bridge_box(ACME, BUCKET), "1-1", *poison)
    await report_job(client, "job-1", request_id, outcomeType="CONVERTED")
    with caplog.at_level(logging.ERROR):
        assert await carry() == 2
    assert "skipped" in caplog.text
    assert await interactions(client) == 1
    assert await counted(store) == {"skipped": 1, "new": 1}


async def test_a_damaged_record_is_skipped_and_the_next_in_the_box_is_carried(client, store, carry, caplog):
    for user, name in (("ada", "job-1"), ("bob", "job-1")):
        request_id = await client.decided(user)
        if user == "ada":
            await report_job(client, name, request_id, outcomeType="CONVERTED")
    await store.ask("LPUSH", record_key(ACME, "ada"), "no record")
    other = next(f"n{number}" for number in range(10_000) if bucket_of(f"n{number}") == BUCKET)
    await report_job(client, other, request_id, outcomeType="CONVERTED")
    assert await carry() == 2
    assert "WRONGTYPE" in caplog.text
    assert await interactions(client, "bob") == 1
    assert await counted(store) == {"skipped": 1, "new": 1}


async def test_a_store_that_refuses_for_now_keeps_it_for_later(client, store, carry):
    await report_job(client, "job-1", await client.decided(), outcomeType="CONVERTED")
    ask_each, refused = store.ask_each, 0

    async def full(commands):
        nonlocal refused
        if any(command[:2] == ("FCALL", "amp_learning_teach_v3") for command in commands):
            refused += 1
            error = await ask_each([("EVAL", "return redis.error_reply('OOM is full')", 0)])
            return error * len(commands)
        return await ask_each(commands)

    with patch.object(store, "ask_each", full):
        assert await carry() == 0
    assert refused == 1
    assert await store.ask("XLEN", bridge_box(ACME, BUCKET)) == 1
    assert await carry() == 1
    assert await interactions(client) == 1


async def test_a_lost_hint_costs_time_and_nothing_else(client, store, carry):
    assert await carry() == 0  # leads by now, so that it does not look into every box any more
    await report_job(client, "job-1", await client.decided(), outcomeType="CONVERTED")
    await store.ask("DEL", b"{amp}:bridge:news")
    assert await carry() == 1


async def test_one_leads_and_another_takes_over_when_the_first_gives_up(client, carrying, store):
    one, two = carrying().bridge, carrying().bridge
    assert await one.turn(0.0) == 0
    await report_job(client, "job-1", await client.decided(), outcomeType="CONVERTED")
    assert await two.turn(0.0) == 0
    await store.ask("DEL", b"{amp}:bridge:lease")
    assert await two.turn(100.0) == 1
    assert await interactions(client) == 1


async def test_at_rest_it_asks_two_small_things_a_turn(client, store, carry):
    await report_job(client, "job-1", await client.decided(), outcomeType="CONVERTED")
    await carry()
    bridge, asked = carry.made.bridge, []
    ask_each = store.ask_each

    async def counting(commands):
        asked.extend(
            each for each in commands if b"bridge" in b" ".join(p for p in each if isinstance(p, bytes))
        )
        return await ask_each(commands)

    await bridge.turn(10**10)
    with patch.object(store, "ask_each", counting):
        for turn in range(20):
            await bridge.turn(10**10 + 0.2 * turn + 0.1)
    assert len(asked) <= 30, asked
    assert {command[0] for command in asked} == {"SPOP", "FCALL"}


async def test_while_the_store_is_away_nothing_is_lost(client, carry, outage):
    await report_job(client, "job-1", await client.decided(), outcomeType="CONVERTED")
    with outage(), pytest.raises(StoreUnavailable):
        await carry()
    assert await carry() == 1
