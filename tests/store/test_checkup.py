"""What a server's own words mean: a check is ok where it is well, red where it is not, and never guesses."""

import pytest

from amp.doctor import libraries
from amp.store.checkup import findings
from amp.store.told import Told, told

WELL = Told(
    info={
        "redis_version": "7.2.4",
        "valkey_version": "9.1.2",
        "maxmemory_policy": "noeviction",
        "aof_enabled": "1",
        "aof_last_write_status": "ok",
        "aof_last_bgrewrite_status": "ok",
        "aof_current_size": "2048",
        "rdb_last_bgsave_status": "ok",
        "rdb_last_save_time": "1700000000",
        "used_memory": "1000",
        "maxmemory": "10000",
        "connected_clients": "3",
        "maxclients": "100",
        "role": "master",
        "connected_slaves": "0",
    },
    config={"appendfsync": "always", "save": "", "min-replicas-to-write": "0", "disable-thp": "yes"},
    libraries=[],
    clock_ms=1_700_000_100_000,
    host_ms=1_700_000_100_004,
    took_ms=0.2,
    refusals={},
)


def by_name(said, durability="always"):
    return {each.name: each for each in findings(said, durability)}


def test_a_store_that_is_well_is_ok_in_every_check():
    found = by_name(WELL)
    assert {each.status for each in found.values()} == {"ok"}
    assert found["version"].found == "Valkey 9.1.2, as Redis 7.2.4"
    assert found["clock"].found == "the store's and this machine's agree to 4 ms"
    assert all(each.fix is None for each in found.values())


def replica(lag, state="online"):
    return {"connected_slaves": "1", "slave0": f"ip=10.0.0.2,port=6379,state={state},offset=9,lag={lag}"}


TROUBLE = [
    ("version", {"redis_version": "6.2.1"}, {}, "fail", "6.2.1"),
    ("eviction", {"maxmemory_policy": "allkeys-lru"}, {}, "fail", "allkeys-lru"),
    ("persistence", {"aof_enabled": "0"}, {}, "fail", "no append-only file"),
    ("fsync", {"aof_enabled": "0"}, {}, "fail", "nothing is written to disk"),
    ("snapshots", {"aof_enabled": "0"}, {}, "fail", "memory alone"),
    ("writes to disk", {"aof_enabled": "0"}, {}, "unknown", "no append-only file"),
    ("fsync", {}, {"appendfsync": "everysec"}, "warn", "last second"),
    ("fsync", {}, {"appendfsync": "no"}, "fail", "half a minute"),
    ("writes to disk", {"aof_last_write_status": "err"}, {}, "fail", "last write"),
    ("writes to disk", {"aof_last_bgrewrite_status": "err"}, {}, "fail", "last rewrite"),
    ("writes to disk", {"aof_delayed_fsync": "7"}, {}, "ok", "7 waited for the disk"),
    ("snapshots", {"rdb_last_bgsave_status": "err"}, {}, "fail", "last background save failed"),
    ("snapshots", {}, {"save": "3600 1"}, "ok", "100 s ago"),
    ("memory", {"used_memory": "7600"}, {}, "warn", "76% of"),
    ("memory", {"used_memory": "9100"}, {}, "fail", "91% of"),
    ("memory", {"maxmemory": "0", "total_system_memory": "1200"}, {}, "warn", "maxmemory is not set"),
    ("connections", {"connected_clients": "80"}, {}, "warn", "80 of at most 100"),
    ("replicas", {"role": "slave"}, {}, "fail", "a replica itself"),
    ("replicas", replica(0), {}, "ok", "1 connected, 0 still copying, 0 s behind"),
    ("replicas", replica(0, "wait_bgsave"), {}, "warn", "1 still copying"),
    ("replicas", replica(3), {}, "warn", "3 s behind"),
    ("replicas", replica(11), {}, "fail", "11 s behind"),
    ("min-replicas", {}, {"min-replicas-to-write": "1"}, "fail", "1 wanted, 0 there"),
    ("min-replicas", replica(0), {"min-replicas-to-write": "1"}, "ok", "1 wanted, 1 there"),
    (
        "min-replicas",
        replica(20) | {"min_slaves_good_slaves": "0"},
        {"min-replicas-to-write": "1"},
        "fail",
        "1 wanted, 0 there",
    ),
]


@pytest.mark.parametrize(("name", "info", "config", "status", "says"), TROUBLE)
def test_each_trouble_is_seen_where_it_is_and_nowhere_else(name, info, config, status, says):
    said = WELL._replace(info=WELL.info | info, config=WELL.config | config)
    found = by_name(said)[name]
    assert (found.status, says in found.found) == (status, True), found
    assert (found.fix is None) == (status in {"ok", "unknown"})


@pytest.mark.parametrize(
    ("connected", "asked", "status"), [(0, 0, "ok"), (0, 1, "fail"), (1, 1, "ok"), (1, 2, "fail")]
)
def test_replicas_that_must_acknowledge_have_to_be_there(connected, asked, status):
    info = WELL.info | (replica(0) if connected else {})
    found = {each.name: each for each in findings(WELL._replace(info=info), "always", asked)}["replicas"]
    assert found.status == status
    if status == "fail":
        assert (found.found, found.fix.endswith(f"AMP_ACK_REPLICAS={connected}.")) == (
            f"{connected} online, and {asked} must acknowledge each write",
            True,
        )


@pytest.mark.parametrize(
    ("ahead_ms", "status"), [(900, "ok"), (-900, "ok"), (1500, "warn"), (-1500, "warn"), (61_000, "fail")]
)
def test_clocks_that_differ_are_told_with_who_is_ahead(ahead_ms, status):
    found = by_name(WELL._replace(clock_ms=WELL.host_ms + ahead_ms))["clock"]
    assert found.status == status
    if status != "ok":
        assert ("ahead" if ahead_ms > 0 else "behind") in found.found


def test_everysec_that_was_asked_for_is_what_was_asked_for_and_always_is_more():
    everysec = WELL._replace(config=WELL.config | {"appendfsync": "everysec"})
    assert by_name(everysec, "everysec")["fsync"].status == "ok"
    assert by_name(WELL, "everysec")["fsync"].status == "ok"
    assert by_name(everysec, "always")["fsync"].status == "warn"


def test_what_a_managed_store_does_not_tell_is_not_known_and_never_ok():
    """CONFIG is refused by most of them."""
    refused = {"CONFIG": "unknown command 'CONFIG'"}
    found = by_name(WELL._replace(config={}, refusals=refused))
    for name in ("fsync", "snapshots", "min-replicas"):
        assert found[name].status == "unknown"
        assert "unknown command 'CONFIG'" in found[name].found
    assert found["eviction"].status == "ok"


def test_a_field_that_info_lacks_is_not_known():
    keys = {
        "maxmemory_policy": "eviction",
        "aof_enabled": "persistence",
        "redis_version": "version",
        "aof_last_write_status": "writes to disk",
        "connected_slaves": "replicas",
        "used_memory": "memory",
        "connected_clients": "connections",
    }
    for key, name in keys.items():
        info = {field: value for field, value in WELL.info.items() if field != key}
        assert by_name(WELL._replace(info=info))[name].status == "unknown", name


async def test_a_store_that_refuses_info_and_config_is_not_known_in_all_that_they_tell(fake_store):
    """fakeredis has neither."""
    found = {each.name: each for each in findings(await told(fake_store), "always")}
    assert {name for name, each in found.items() if each.status == "ok"} == {"store", "clock"}
    assert all("refuses INFO" in each.found for each in found.values() if each.status == "unknown")


async def test_a_real_server_tells_all_of_it(real_store):
    said = await told(real_store)
    assert said.refusals == {}
    found = {each.name: each for each in findings(said, "always")}
    assert {name: each for name, each in found.items() if each.status != "ok"} == {}
    assert abs(said.clock_ms - said.host_ms) < 500


# Libraries of functions


def library(name):
    return f"#!lua name={name}\nredis.register_function('{name}_nothing', function() return 1 end)"


async def loaded(store):
    return (await told(store)).libraries


async def test_only_what_is_older_than_ours_is_deleted_and_only_once(real_store):
    """Newer libraries are of a newer release, unknown ones of who knows whom."""
    newer, unknown, others = "amp_learning_v99", "amp_tomorrow_v1", "theirs_v1"
    for name in ("amp_learning_v1", "amp_learning_v2", "amp_ledger_v1", newer, unknown, others):
        await real_store.ask("FUNCTION", "LOAD", library(name))
    ours = libraries.needed()
    assert "amp_learning_v3" in ours
    for name in ours:
        await real_store.ask("FUNCTION", "LOAD", library(name))
    assert await libraries.prune(real_store) == ["amp_learning_v1", "amp_learning_v2", "amp_ledger_v1"]
    assert await loaded(real_store) == sorted([*ours, newer, unknown])
    assert await libraries.prune(real_store) == []
    assert others.encode() in str(await real_store.ask("FUNCTION", "LIST")).encode()


async def test_old_and_missing_libraries_are_told(real_store):
    await real_store.ask("FUNCTION", "LOAD", library("amp_grading_v1"))
    functions, old = libraries.findings(await told(real_store))
    assert (functions.status, functions.found.startswith("none of this release's 1")) == ("warn", True)
    assert (old.status, old.found, old.fix) == ("warn", "left over: amp_grading_v1", "amp doctor --prune")
    *rest, last = libraries.needed()
    for name in rest:
        await real_store.ask("FUNCTION", "LOAD", "REPLACE", library(name))
    functions, _ = libraries.findings(await told(real_store))
    assert functions.found.startswith("1 of ")
    assert last in functions.found
    await real_store.ask("FUNCTION", "LOAD", library(last))
    await libraries.prune(real_store)
    assert [each.status for each in libraries.findings(await told(real_store))] == ["ok", "ok"]


def test_a_store_that_does_not_list_functions_is_not_known():
    said = WELL._replace(libraries=None, refusals={"FUNCTION": "NOPERM"})
    assert [(each.status, "NOPERM" in each.found) for each in libraries.findings(said)] == [
        ("unknown", True)
    ] * 2
