"""The store on a cluster of the test's own, whose slots move and whose nodes fall silent."""

import asyncio
import signal
import threading
import time
from contextlib import contextmanager

import pytest
from reports import HOUR_MS, TENANT, report
from six_nodes import six_nodes, until

from amp.errors import StoreUnavailable
from amp.learning import store as learning_store
from amp.learning.store import LearningStore
from amp.store.cluster_slots import slot_of
from amp.store.connection import connect
from amp.store.durability import durability
from amp.store.functions import Functions
from amp.store.keys import record_key, user_keys
from amp.store.readiness import check

PASSWORD = "of the nodes: p@ss/word"
USERS = [f"user{number}" for number in range(30)]


@pytest.fixture(scope="module")
def six():
    """One for the module; the nodes ask for a password."""
    with six_nodes(password=PASSWORD, node_timeout_ms=60_000) as cluster:  # nobody takes over by himself
        yield cluster


@pytest.fixture
def url(six):
    six.empty()
    assert "p%40ss%2Fword" in six.url, "a password that has to be quoted"
    return six.url


@pytest.fixture
async def store(url):
    store = connect(url)
    yield store
    await store.close()


@pytest.fixture
async def functions(store):
    functions = Functions(store, [learning_store.LIBRARY])
    await functions.load()
    return functions


@pytest.fixture
def facts(store, functions):
    return LearningStore(store, functions, window_ms=HOUR_MS, retention_ms=HOUR_MS)


@pytest.fixture
def now_ms():
    return time.time_ns() // 1_000_000


async def test_replies_come_in_order_from_all_nodes_and_errors_stay_with_their_command(store, six):
    assert len({six.master_of(slot_of(user)).port for user in USERS}) == 3
    await store.ask_all([("SET", user, user) for user in USERS])
    await store.ask("LPUSH", "list", "x")
    *found, refused = await store.ask_each([*(("GET", user) for user in USERS), ("GET", "list")])
    assert [each.decode() for each in found] == USERS
    assert "WRONGTYPE" in str(refused)
    assert await store.ask("DBSIZE") == len(await store.ask("KEYS", "*")) == 31


async def test_each_slot_is_where_the_server_says(store, six):
    for key in ("123456789", "{a}b", "{}x", "x{", "ä", record_key(TENANT, "ada")):
        assert slot_of(key) == six.nodes[0].cluster("KEYSLOT", key)


async def test_a_node_that_lost_its_functions_gets_them_again(facts, six, now_ms):
    six.masters()[1].client.execute_command("FUNCTION", "FLUSH")
    sent = [report(number, now_ms, user=user) for number, user in enumerate(USERS)]
    assert await facts.report(sent) == ["new"] * len(USERS)
    assert await facts.report(sent) == ["replay"] * len(USERS)


@contextmanager
def moving(six, slot):
    """The slot is on its way to another master, none of its keys yet; at the end it has arrived."""
    source = six.master_of(slot)
    target = next(node for node in six.masters() if node is not source)
    target.cluster("SETSLOT", slot, "IMPORTING", source.id)
    source.cluster("SETSLOT", slot, "MIGRATING", target.id)
    yield source, target
    six.move(slot, target)


async def test_a_key_that_has_gone_ahead_of_its_slot_is_found(store, six):
    await store.ask("SET", "here", "x")
    with moving(six, slot_of("here")) as (source, target):
        six.migrate(source, target, "here")
        asked = [("GET", "here"), ("SET", "here", "y"), ("GET", "here")]
        assert await store.ask_all(asked) == [b"x", b"OK", b"y"]
    assert await store.ask("GET", "here") == b"y"


async def test_keys_on_both_sides_are_waited_for_and_only_so_long(facts, six, now_ms):
    keys = user_keys(TENANT, "ada")
    slot = slot_of(keys.record)
    assert await facts.report([report(1, now_ms)]) == ["new"]
    with moving(six, slot) as (source, target):
        six.migrate(source, target, keys.record)
        began = time.monotonic()
        refused, new = await facts.report([report(2, now_ms), report(3, now_ms, user="bob")])
        assert isinstance(refused, StoreUnavailable)
        assert "TRYAGAIN" in str(refused.__cause__)
        assert (new, time.monotonic() - began < 5) == ("new", True)
    mover = threading.Thread(target=six.move, args=(slot, source))
    mover.start()
    said = [await until_said(facts, report(number, now_ms)) for number in range(1, 40)]
    mover.join()
    assert said == ["replay"] + ["new"] * 38
    _, (record,) = await facts.read([(TENANT, "ada")])
    assert len(record.rows) // 48 == 39


async def until_said(facts, one):
    """As a client does: again when nobody knows."""
    while True:
        (answer,) = await facts.report([one])
        if not isinstance(answer, StoreUnavailable):
            return answer


async def test_a_master_that_hangs_takes_nothing_from_the_others(facts, store, six):
    await facts.current([(TENANT, user) for user in USERS])  # every node is connected
    hung = six.master_of(slot_of(record_key(TENANT, USERS[0])))
    hung.process.send_signal(signal.SIGSTOP)
    try:
        first = await facts.current([(TENANT, user) for user in USERS])
        began = time.monotonic()
        rounds = [await facts.current([(TENANT, user) for user in USERS]) for _ in range(20)]
        took_s = time.monotonic() - began
    finally:
        hung.process.send_signal(signal.SIGCONT)
    there = [six.master_of(slot_of(record_key(TENANT, user))) is not hung for user in USERS]
    assert 0 < sum(there) < len(USERS)
    for answers in (first, *rounds):
        assert [not isinstance(each, StoreUnavailable) for each in answers] == there
    assert took_s < 1.5, "not a second each"
    until(hung.answers, "the node does not come back")
    await asyncio.wait_for(back_again(facts), 5)


async def back_again(facts):
    """The next probe of the node comes by itself."""
    while isinstance((await facts.current([(TENANT, USERS[0])]))[0], StoreUnavailable):  # noqa: ASYNC110  nobody tells
        await asyncio.sleep(0.02)


async def test_one_bad_node_makes_the_whole_cluster_unfit(functions, store, six):
    assert [each for each in await check(store) if not each.ok] == []
    assert (await durability(store)).mode == "always"
    bad = six.masters()[2]
    bad.client.execute_command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "appendfsync", "everysec")
    try:
        (failed,) = [each for each in await check(store) if not each.ok]
        told = await durability(store)
    finally:
        bad.client.execute_command("CONFIG", "SET", "maxmemory-policy", "noeviction", "appendfsync", "always")
    assert (failed.name, failed.found) == ("eviction", f"127.0.0.1:{bad.port}: allkeys-lru")
    assert (told.mode, told.replicas) == ("everysec", 1)


async def test_a_wrong_password_is_said(six):
    store = connect(f"redis+cluster://:wrong@127.0.0.1:{six.nodes[0].port}")
    with pytest.raises(StoreUnavailable) as refused:
        await store.ask("PING")
    assert "WRONGPASS" in str(refused.value.__cause__)
    await store.close()
