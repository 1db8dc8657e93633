"""Many large calls go by several lines at once: a slot keeps its order, a call gets its own answer."""

import pytest

from amp.errors import StoreUnavailable
from amp.store import connection
from amp.store.connection import connect
from amp.store.functions import Call, Functions

LIBRARY = """#!lua name=amp_tested_v1
redis.register_function('amp_tested_push_v1', function(keys, args)
  redis.call('RPUSH', keys[1], args[1])
  return args[1]
end)"""


def pushes(count):
    """In turn over nine slots."""
    keys = [b"{acme:test:%d}:list" % slot for slot in range(9)]
    return [Call("amp_tested_push_v1", (keys[each % 9],), (each,)) for each in range(count)]


@pytest.fixture
async def many(real_url):
    store = connect(real_url)
    yield store
    await store.close()


async def test_each_answer_is_its_calls_own_and_a_slot_keeps_its_order(many):
    functions = Functions(many, [LIBRARY])
    await functions.load()
    count = 20 * connection.SPREAD_FROM
    assert await functions.call_all(pushes(count), spread=True) == [b"%d" % each for each in range(count)]
    assert len({many._way_of(call.command) for call in pushes(9)}) > 1
    for slot in range(9):
        kept = await many.ask("LRANGE", b"{acme:test:%d}:list" % slot, 0, -1)
        assert kept == [b"%d" % each for each in range(slot, count, 9)]


async def test_a_line_that_is_lost_takes_the_answers_of_its_own_calls_only(many, monkeypatch):
    functions = Functions(many, [LIBRARY])
    await functions.load()

    async def lost(_):
        raise StoreUnavailable

    calls = pushes(connection.SPREAD_FROM)
    gone = many._way_of(calls[0].command)
    monkeypatch.setattr(gone, "call", lost)
    answers = await functions.call_all(calls, spread=True)
    for call, answer in zip(calls, answers, strict=True):
        assert isinstance(answer, StoreUnavailable) == (many._way_of(call.command) is gone)
    assert any(isinstance(answer, bytes) for answer in answers)
