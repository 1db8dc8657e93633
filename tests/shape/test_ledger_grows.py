"""No code of the ledger deletes or rewrites an entry: streams of entries are only appended to and read."""

import re
from collections.abc import Iterable, Iterator

import pytest
from sources import PACKAGE, Module, modules

ROOM = "ledger/"
GROWS = {"XADD", "XRANGE", "XLEN"}
"""What may be done to a stream of entries."""
KNOWN = {"GET", "SET", "SADD", "ZADD", "ZRANGEBYSCORE", "INCR", "HGET", "HSET", "HMGET", "HGETALL", "HDEL"}
KNOWN |= {"HINCRBY"} | GROWS
"""What the room's functions call at all; `HDEL` takes a field off a job, never an entry."""
SHORTENS = re.compile(
    r"\b(XDEL|XDELEX|XACKDEL|XTRIM|XSETID|MAXLEN|MINID|FLUSHDB|FLUSHALL|RESTORE|RENAME|RENAMENX|COPY|MIGRATE"
    r"|MOVE|UNLINK|GETDEL|P?EXPIRE(AT)?)\b"
)
CALL = re.compile(r"redis\.p?call\(\s*([^,)]+)(?:,\s*([^,)]+))?", re.IGNORECASE)
DELETES = re.compile(r'"DEL",([^\n]*)')


def scripts() -> tuple[Module, ...]:
    paths = sorted((PACKAGE / ROOM).glob("*.lua"))
    return tuple(Module(path.relative_to(PACKAGE).as_posix(), path.read_text("utf-8")) for path in paths)


def broken(files: Iterable[Module]) -> Iterator[str]:
    for module in files:
        if not module.path.startswith(ROOM):
            continue
        yield from (f"{module.path}: {found[0]}" for found in SHORTENS.finditer(module.text))
        yield from _lua(module) if module.path.endswith(".lua") else _python(module)


def _lua(module: Module) -> Iterator[str]:
    for command, key in CALL.findall(module.text):
        name = command.strip().strip("'\"")
        if f"'{name}'" != command.strip() or name not in KNOWN:
            yield f"{module.path}: calls {command}"
        if module.name == "store.lua" and key.strip() == "keys[1]" and name not in GROWS:
            yield f"{module.path}: {name} on entries"


def _python(module: Module) -> Iterator[str]:
    for rest in DELETES.findall(module.text):
        if "entries" in rest or "chain" in rest or "_tag(" in rest:
            yield f"{module.path}: DEL{rest}"


def test_nothing_in_the_room_deletes_or_rewrites_an_entry():
    assert len(scripts()) == 5
    assert list(broken([*scripts(), *modules()])) == []


PLANTED = [
    ("ledger/store.lua", "redis.call('XDEL', keys[1], position)"),
    ("ledger/store.lua", "redis.call('xtrim', keys[1])"),
    ("ledger/store.lua", "redis.call('XADD', keys[1], 'MAXLEN', '~', 9, '*')"),
    ("ledger/store.lua", "redis.call('DEL', keys[1])"),
    ("ledger/store.lua", "redis.pcall(command, keys[2])"),
    ("ledger/store.lua", "redis.call('SET', keys[1], '')"),
    ("ledger/brand_new.lua", "redis.call('EXPIRE', keys[1], 9)"),
    ("ledger/store.py", 'store.ask("XTRIM", name, "MINID", 7)'),
    ("ledger/jobs.py", 'store.ask("DEL", job_keys(tenant, job).entries)'),
    ("ledger/jobs.py", 'store.ask("DEL", ledger_tag(tenant, 1) + b"x")'),
]


@pytest.mark.parametrize(("path", "text"), PLANTED)
def test_each_way_to_lose_an_entry_is_seen(path, text):
    assert list(broken([Module(path, text)]))


FINE = [
    ("ledger/store.lua", "redis.call('XADD', keys[1], position .. '-0', 'e', args[1])"),
    ("ledger/store.lua", "redis.call('HDEL', keys[5], name)"),
    ("ledger/rollup_store.py", 'store.ask("DEL", ledger_folding(tenant.tag))'),
    ("learning/store.lua", "redis.call('XDEL', keys[4], id)"),
]


@pytest.mark.parametrize(("path", "text"), FINE)
def test_what_loses_no_entry_is_fine(path, text):
    assert list(broken([Module(path, text)])) == []
