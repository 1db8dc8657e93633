"""What is erased stays erased, and the log knows users by their alias alone."""

import numpy as np
from reports import COMPLETED, DAY_MS, HOUR_MS, TENANT, nonces, report, sent

from amp.learning import rows
from amp.learning.record import Details
from amp.store.keys import user_keys

KEYS = user_keys(TENANT, "ada")


async def everything(store):
    """Every key and all that lies under it, as one blob."""
    blob = b""
    for key in sorted(await store.ask("KEYS", "*")):
        kind = (await store.ask("TYPE", key)).decode()
        read = {
            "string": ("GET", key),
            "hash": ("HGETALL", key),
            "set": ("SMEMBERS", key),
            "zset": ("ZRANGE", key, 0, -1),
            "stream": ("XRANGE", key, "-", "+"),
        }[kind]
        blob += key + repr(await store.ask(*read)).encode()
    return blob


async def filled(facts, now, count=580):
    """A user with rows, trimmed rows, a preference and metadata."""
    batch = [report(number, now - HOUR_MS + number, task_type="coding") for number in range(1, count + 1)]
    for start in range(0, count, 100):
        await facts.report(batch[start : start + 100])
    await facts.prefer(
        TENANT, "ada", alias=b"another.", changes={0: 1}, lock="on", metadata={"team": b'"blue"'}
    )
    return batch


async def test_an_erased_user_leaves_only_a_watermark_that_goes_with_the_window(facts, store, now):
    await filled(facts, now)
    await facts.erase(TENANT, "ada")
    left = set(await store.ask("KEYS", "*"))
    assert left == {KEYS.record, KEYS.events}
    assert await store.ask("STRLEN", KEYS.record) == 48
    assert 0 < await store.ask("PTTL", KEYS.record) <= DAY_MS
    record, details = await facts.profile(TENANT, "ada")
    assert (record.created_ms, record.rows, record.preferences) == (0, b"", ())
    assert details == Details()


async def test_the_log_names_users_by_an_alias_that_is_erased_with_them(facts, store, now):
    batch = [
        report(1, now, user="grace@navy.mil", alias=b"aliasone"),
        report(2, now, user="grace@navy.mil", alias=b"aliastwo"),
    ]
    assert await facts.report(batch) == ["new", "new"]
    events = await store.ask("XRANGE", user_keys(TENANT, "grace@navy.mil").events, "-", "+")
    assert [fields[:2] for _, fields in events] == [[b"a", b"aliasone"]] * 2
    assert b"grace" not in repr(events).encode()
    assert b"grace@navy.mil" in await everything(store)
    await facts.erase(TENANT, "grace@navy.mil")
    blob = await everything(store)
    assert b"aliasone" in blob, "the events stay, of nobody"
    assert b"grace" not in blob.replace(user_keys(TENANT, "grace@navy.mil").record, b"")


async def test_what_was_decided_before_the_erasure_never_counts_reported_or_not(facts, now):
    reported, unreported = report(1, now, COMPLETED), report(2, now)
    await sent(facts, reported)
    await facts.erase(TENANT, "ada")
    assert await sent(facts, reported, unreported) == ["expired", "expired"]
    record, _ = await facts.profile(TENANT, "ada")
    assert record.created_ms == 0


async def test_after_an_erasure_the_user_starts_again_and_the_watermark_holds_on(facts, store, now):
    await filled(facts, now)
    await facts.erase(TENANT, "ada")
    assert await sent(facts, report(901, now + HOUR_MS, alias=b"anew....")) == ["new"]
    assert await store.ask("PTTL", KEYS.record) == -1
    record, _ = await facts.profile(TENANT, "ada")
    assert (record.alias, record.interactions, record.preferences) == (b"anew....", 1, ())
    assert await sent(facts, report(902, now)) == ["expired"]


async def test_a_preference_after_an_erasure_keeps_the_watermark_too(facts, now):
    await facts.erase(TENANT, "ada")
    await facts.prefer(TENANT, "ada", alias=b"8 bytes.", changes={0: 1}, lock="keep", metadata={})
    assert await sent(facts, report(1, now)) == ["expired"]


async def test_the_watermark_of_a_long_history_survives_further_trimming(facts, facts_with, now):
    await facts.erase(TENANT, "ada")
    batch = [report(number, now + HOUR_MS + number) for number in range(1, 577)]
    await facts_with().report(batch)
    record, _ = await facts.profile(TENANT, "ada")
    assert record.trimmed == 64
    assert await sent(facts, report(1000, now)) == ["expired"]


async def test_erasing_somebody_unknown_or_twice_is_nothing_special(facts, now):
    await facts.erase(TENANT, "ada")
    await facts.erase(TENANT, "ada")
    assert await sent(facts, report(1, now), report(2, now + HOUR_MS)) == ["expired", "new"]


async def test_the_watermark_never_moves_back_not_even_with_the_clock(facts, store, now):
    """As if the clock had been set back by an hour after an earlier erasure."""
    mark = (now + HOUR_MS).to_bytes(6, "little")
    await store.ask("SET", KEYS.record, bytes(14) + mark + bytes(28), "PX", DAY_MS)
    await facts.erase(TENANT, "ada")
    assert await sent(facts, report(1, now + HOUR_MS), report(2, now + HOUR_MS + 1)) == ["expired", "new"]


async def test_erasing_one_user_leaves_every_other_alone(facts, store, now):
    await sent(facts, report(1, now, user="ada"), report(1, now, user="bob"))
    await facts.erase(TENANT, "ada")
    assert await nonces(facts, "bob") == [1]
    assert await store.ask("SMEMBERS", user_keys(TENANT, "bob").users) == [b"bob"]


async def test_the_log_tells_each_effect_once_with_what_was_said(facts, now):
    staged = report(1, now, final=False, metadata=b'{"n":1}', task_type="coding")
    final = report(1, now, COMPLETED, metadata=b'{"n":2}', task_type="coding")
    await sent(facts, staged, staged, final, final, staged, report(2, now, user="bob", alias=b"bob....."))
    events = [event async for event in facts.events(TENANT, "ada", b"8 bytes.")]
    assert [event.metadata for event in events] == [b'{"n":1}', b'{"n":2}']
    assert [np.frombuffer(event.row, rows.ROW)["final"][0] for event in events] == [0, 1]


async def test_the_log_is_read_in_pages_and_only_of_this_user(facts, store, now, monkeypatch):
    monkeypatch.setattr("amp.learning.store.PAGE", 7)
    await facts.report([report(number, now) for number in range(1, 31)])
    stream = user_keys(TENANT, "ada").events
    await store.ask("XADD", stream, "*", "a", b"somebody", "r", report(99, now).row)
    await facts.prefer(TENANT, "ada", alias=b"........", changes={0: 1}, lock="keep", metadata={})
    events = [event async for event in facts.events(TENANT, "ada", b"8 bytes.")]
    assert [np.frombuffer(event.row, rows.ROW)["nonce"][0] for event in events] == list(range(1, 31))


async def test_events_older_than_the_retention_are_trimmed(facts, facts_with, store, now):
    await facts.report([report(number, now) for number in range(1, 251)])
    assert await store.ask("XLEN", KEYS.events) == 250
    while (await facts.read([]))[0] <= now + 1:  # the store's clock must have moved on by a millisecond
        pass
    briefly = facts_with(retention_ms=-HOUR_MS)  # an hour from now, everything until now is too old
    await sent(briefly, report(251, now))
    assert await store.ask("XLEN", KEYS.events) < 101, "whole blocks of 100 go at once"
    assert await nonces(facts) == list(range(1, 252)), "the history is not the log"
