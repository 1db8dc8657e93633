"""Reads of many places go a few at a time, so that the store answers others in between."""

import pytest

from amp.errors import StoreUnavailable
from amp.store.connection import AT_ONCE, connect
from amp.store.functions import Call, Functions

LIBRARY = """#!lua name=amp_in_turn_v1
redis.register_function('amp_in_turn_v1', function(keys, args)
  if args[1] == 'no' then return redis.error_reply('no') end
  return args[1]
end)"""


@pytest.fixture
async def store(real_url):
    store = connect(real_url)
    yield store
    await store.close()


async def test_replies_of_many_reads_come_in_their_order(store):
    numbers = range(3 * AT_ONCE + 1)
    assert await store.ask_in_turn([("ECHO", number) for number in numbers]) == [b"%d" % n for n in numbers]
    assert await store.ask_in_turn([]) == []


async def test_no_more_than_a_few_are_asked_at_once(store, monkeypatch):
    sizes, asked = [], store.ask_each
    monkeypatch.setattr(store, "ask_each", lambda commands: sizes.append(len(commands)) or asked(commands))
    await store.ask_in_turn([("ECHO", "x")] * (2 * AT_ONCE + 3))
    assert sizes == [AT_ONCE, AT_ONCE, 3]


async def test_one_that_is_refused_refuses_them_all(store):
    with pytest.raises(StoreUnavailable):
        await store.ask_in_turn([*[("ECHO", "x")] * AT_ONCE, ("NONE",)])


async def test_functions_in_turn_answer_in_order_and_each_for_itself(store):
    words = [b"no" if number == AT_ONCE + 1 else b"%d" % number for number in range(2 * AT_ONCE)]
    calls = [Call("amp_in_turn_v1", (b"{x}",), (word,)) for word in words]
    answers = await Functions(store, [LIBRARY]).call_in_turn(calls)
    assert isinstance(answers.pop(AT_ONCE + 1), StoreUnavailable)
    assert answers == [word for word in words if word != b"no"]
