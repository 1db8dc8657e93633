"""What has to be on replicas before it is answered, and what need not be."""

import re
from importlib.resources import files

import pytest

from amp.store.keys import BRIDGE_NEWS, KEYRING, POLICY_VERSIONS, recent_users, user_keys
from amp.store.lasting import PASSING, lasts, mark, mark_key
from amp.store.trust_keys import KEYS_USED, turned_away
from amp.tenancy import tenant

OWNER = tenant("acme", "live")
RECORD = user_keys(OWNER, "ada").record


def registered():
    sources = [path.read_text() for path in files("amp").rglob("*.lua")]
    return {name for source in sources for name in re.findall(r"register_function\('(\w+)_v\d+'", source)}


def test_every_function_that_need_not_last_is_one_that_there_is():
    assert len(registered()) > 30
    assert set(PASSING) <= registered()


@pytest.mark.parametrize(
    "command",
    [
        ("FCALL", "amp_learning_report_v3", 1, RECORD, b"row"),
        ("FCALL", "amp_ledger_meter_v2", 1, RECORD),
        ("FCALL", "amp_something_new_v1", 0),
        ("SET", b"{acme:live}:policy:2", b"{}"),
        ("HSET", POLICY_VERSIONS, "acme:live", 2),
        ("SADD", b"{amp}:g:tenants", "acme:live"),
        ("DEL", KEYRING),
        ("SET", user_keys(OWNER, "x:recent").record, b""),
        ("SET", user_keys(OWNER, "}:recent").record, b""),
    ],
)
def test_a_write_lasts_unless_it_is_named(command):
    assert lasts(command)


@pytest.mark.parametrize(
    "command",
    [
        ("GET", RECORD),
        ("TIME",),
        ("XRANGE", b"{acme:live:3}:events", "-", "+"),
        ("FUNCTION", "LOAD", "REPLACE", "#!lua"),
        ("FCALL", "amp_learning_lease_v3", 1, b"{amp}:refit", "me", 1000),
        ("FCALL", "amp_ledger_walk_ended_v1", 2, b"{acme:live}:lease", b"{acme:live}:walk"),
        ("FCALL", "amp_users_seen_v1", 2, RECORD, b"{acme:live:3}:recent"),
        ("HSET", KEYS_USED, "id", 1),
        ("HSET", turned_away(OWNER, 20_000), "me:429", 1),
        ("SADD", BRIDGE_NEWS, "acme:live 3"),
        ("ZREM", recent_users(OWNER, 3), "ada"),
        ("XADD", b"{amp}:g:work:3", "*", "t", "acme:live"),
        ("INCR", b"amp:limit:60:key"),
    ],
)
def test_reads_leases_counters_and_caches_wait_for_nobody(command):
    assert not lasts(command)


def test_the_mark_lies_in_the_slot_of_what_it_marks_and_under_no_key_of_anybodys():
    assert mark(("FCALL", "amp_learning_report_v3", 6, RECORD, b"row"))[1] == mark_key(RECORD)
    assert mark_key(RECORD) == RECORD.partition(b"}")[0] + b"}:ack"
    assert mark(("SET", b"{acme:live}:policy", 1))[:2] == ("SET", b"{acme:live}:ack")
    assert mark(("FCALL", "amp_x_v1", 0))[1] == b"{amp}:ack"
