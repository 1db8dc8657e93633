"""Functions are there when they are needed, and touch nothing but the keys they are given."""

import re
from pathlib import Path

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from reports import COMPLETED, HOUR_MS, TENANT, report, sent

import amp
from amp.errors import StoreUnavailable
from amp.learning import store as learning_store
from amp.learning import words
from amp.learning.store import LearningStore
from amp.store import keyring
from amp.store.functions import Call, Functions
from amp.store.keyring import Keyring, pepper
from amp.store.keys import bucket_tag, record_key, user_keys
from amp.tenancy import ENVS, Tenant

LIBRARIES = sorted(Path(amp.__file__).parent.rglob("*.lua"))
FIRST_ARGUMENT = re.compile(r"redis\.p?call\(\s*'(\w+)'\s*,\s*([^,)]+)")


async def test_a_store_that_lost_its_functions_gets_them_again_and_the_call_counts_once(facts, store, now):
    assert await sent(facts, report(1, now)) == ["new"]
    await store.ask("FUNCTION", "FLUSH")
    assert await facts.report([report(1, now), report(2, now), report(2, now)]) == ["replay", "new", "replay"]


async def test_functions_are_loaded_at_the_first_call_when_the_store_was_away_at_start(store, now):
    facts = LearningStore(
        store, Functions(store, [learning_store.LIBRARY]), window_ms=HOUR_MS, retention_ms=HOUR_MS
    )
    assert await sent(facts, report(1, now)) == ["new"]


async def test_loading_twice_or_from_several_workers_is_harmless(functions, store):
    await functions.load()
    await Functions(store, [learning_store.LIBRARY, keyring.LIBRARY]).load()
    names = {library[1] for library in await store.ask("FUNCTION", "LIST")}
    assert names == {b"amp_learning_v3", b"amp_keyring_v1", b"amp_fits_v1"}


async def test_one_refused_call_of_a_round_trip_does_not_refuse_its_neighbours(functions, store, now):
    await store.ask("LPUSH", user_keys(TENANT, "bob").record, "not a record")
    facts = LearningStore(store, functions, window_ms=HOUR_MS, retention_ms=HOUR_MS)
    verdicts = await facts.report([report(1, now), report(1, now, user="bob"), report(2, now)])
    assert (verdicts[0], verdicts[2]) == ("new", "new")
    assert isinstance(verdicts[1], StoreUnavailable)
    assert "WRONGTYPE" in str(verdicts[1].__cause__)


async def test_a_function_nobody_has_is_a_refusal_and_not_an_endless_reload(functions):
    with pytest.raises(StoreUnavailable):
        await functions.call(Call("amp_nobody_v1", (b"{a}",), ()))


# Keys


def undeclared(lua):
    """Calls whose first argument is not one of the keys that were declared; a channel is no key."""
    calls = [call for call in FIRST_ARGUMENT.findall(lua) if call[0] != "PUBLISH"]
    return [call for call in calls if not re.match(r"keys\[\w+\]$", call[1].strip())]


def test_the_functions_name_no_key_themselves():
    assert len(LIBRARIES) >= 2
    for library in LIBRARIES:
        lua = library.read_text()
        assert FIRST_ARGUMENT.search(lua)
        assert undeclared(lua) == [], library.name


def test_the_lint_above_sees_a_literal_and_a_built_key():
    assert undeclared("redis.call('GET', 'amp:all')") == [("GET", "'amp:all'")]
    assert undeclared("redis.call('SET', prefix .. user, 1)") == [("SET", "prefix .. user")]
    assert undeclared("redis.call('TIME') redis.call('GET', keys[1])") == []


@given(st.from_regex(r"\A[a-z0-9-]{1,32}\Z"), st.sampled_from(ENVS), st.text(min_size=1), st.text(min_size=1))
def test_all_keys_of_a_user_lie_in_one_slot_and_are_nobody_elses(name, env, user, other):
    tenant = Tenant(name, env)
    keys = user_keys(tenant, user)
    tags = {re.match(rb"\{([^{}]+)\}:", key).group(1) for key in keys}  # the store takes the first {...}
    assert len(tags) == 1
    assert tags.pop().startswith(f"{name}:{env}:".encode())
    assert len(set(keys)) == len(keys)
    assert keys.record == record_key(tenant, user)
    own = {keys.record, keys.details, keys.trimmed, keys.words}
    if other != user:
        assert own.isdisjoint(user_keys(tenant, other))
    assert own.isdisjoint(user_keys(Tenant(name, "live" if env == "test" else "test"), user))


def test_users_spread_over_the_buckets_evenly():
    counts = {}
    for number in range(20_000):
        tag = user_keys(TENANT, f"user-{number}").events
        counts[tag] = counts.get(tag, 0) + 1
    assert set(counts) == {bucket_tag(TENANT, number) + b":events" for number in range(256)}
    assert max(counts.values()) < 2 * 20_000 / 256


async def test_on_a_real_server_every_key_that_is_touched_was_declared(real_store, real_url, now_of):
    """The server's own monitor tells each command and each that a function runs in its turn."""
    now = await now_of(real_store)
    spy = redis.Redis.from_url(real_url)
    with spy.monitor() as monitor:
        await every_verb(real_store, now)
        await real_store.ask("ECHO", "done")
        declared, touched = set(), set()
        for seen in iter(monitor.next_command, None):
            words = [word.strip('"') for word in re.findall(r'"(?:[^"\\]|\\.)*"|\S+', seen["command"])]
            command, arguments = words[0], words[1:]
            if command == "ECHO":
                break
            if command == "FCALL":
                declared.update(arguments[2 : 2 + int(arguments[1])])
            elif seen["client_type"] == "lua" and command != "TIME":
                touched.add(arguments[0])
    spy.close()
    assert len(touched) == 13, touched
    assert touched <= declared


async def every_verb(store, now):
    """Calls that reach every branch that touches a key."""
    functions = Functions(store, [learning_store.LIBRARY, keyring.LIBRARY])
    facts = LearningStore(store, functions, window_ms=HOUR_MS, retention_ms=HOUR_MS, bridge_window_ms=HOUR_MS)
    staged = [report(number, now + number, final=False, task_type="a") for number in range(1, 577)]
    await facts.report(staged)
    await sent(facts, report(1, now + 1, COMPLETED), report(576, now + 576, COMPLETED))
    word = words.packed(words.Way.BUSINESS, "job", COMPLETED, first_ms=now, step=1)
    await facts.teach([(report(number, now + number), word, None) for number in (2, 575, 600)])
    await sent(facts, *(report(number, now + number) for number in range(1000, 1070)))
    await facts.prefer(
        TENANT, "ada", alias=b"8 bytes.", changes={0: 1}, lock="on", metadata={"k": b"1", "l": None}
    )
    await facts.erase(TENANT, "ada")
    await facts.lease("one", 1000)
    await facts.release("one")
    await facts.publish(TENANT, 1, b"a prior")
    ring = Keyring(store, pepper("x" * 32))
    _, record = await ring.create(tenant="acme", env="test", scopes=("read",), expires_ms=None)
    await ring.rotate(record.id)


@pytest.fixture
def now_of():
    async def ask(store):
        seconds, _ = await store.ask("TIME")
        return int(seconds) * 1000

    return ask


# The lease


async def test_one_owner_leads_as_long_as_it_keeps_asking(facts, store):
    assert await facts.lease("one", 60_000)
    assert not await facts.lease("two", 60_000)
    assert await facts.lease("one", 60_000)
    await store.ask("DEL", b"{amp}:refit")  # as when its time is over
    assert await facts.lease("two", 60_000)
    assert not await facts.lease("one", 60_000)


async def test_only_who_leads_gives_up_the_lease_and_the_next_leads_at_once(facts):
    await facts.lease("one", 60_000)
    await facts.release("two")
    assert not await facts.lease("two", 60_000)
    await facts.release("one")
    assert await facts.lease("two", 60_000)
