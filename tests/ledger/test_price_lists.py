"""Price lists in the store: versions, who comes first, workers that follow."""

import asyncio
from decimal import Decimal

import pytest
from writing import ACME

from amp.errors import StoreUnavailable, VersionConflict
from amp.ledger.book_store import LIBRARY, BookStore
from amp.ledger.books import PriceLists
from amp.ledger.catalogue import Price, Rate, Tool
from amp.ledger.types import Priced, Usage
from amp.store.functions import Functions
from amp.store.ledger_keys import BOOK_VERSIONS, book_document

pytestmark = pytest.mark.cluster

GPT = Price("openai", "gpt", Decimal("2.5"), Decimal(10))
CALL = Usage(0, "openai", "gpt", input_tokens=10**6)


@pytest.fixture
def store(any_store):
    """In memory, then on a real server of each kind."""
    return any_store


@pytest.fixture
def worker(store):
    """Makes workers."""
    return lambda: PriceLists(BookStore(store, Functions(store, [LIBRARY])))


async def test_a_list_is_in_force_here_at_once_and_elsewhere_when_it_is_followed(worker):
    one, other = worker(), worker()
    assert one.price(ACME, CALL, None).nanos is None
    made = await one.put(ACME, "pricing", [GPT], None)
    assert (made.version, one.price(ACME, CALL, None).nanos) == (1, 25 * 10**8)
    assert other.price(ACME, CALL, None).nanos is None
    await other.refresh()
    assert other.price(ACME, CALL, None) == (25 * 10**8, "model", "USD", "list")
    await one.put(ACME, "tools", [Tool("human_help", Decimal(1))], None)
    await other.refresh()
    assert other.price(ACME, Usage(0, tool="human_help"), None).nanos == 10**9
    assert other.price(ACME, CALL, None).nanos == 25 * 10**8  # the other list stands


async def test_what_the_sender_states_wins_and_the_register_says_what_it_was_for(worker):
    lists = worker()
    await lists.put(ACME, "pricing", [GPT], None)
    await lists.put(ACME, "tools", [Tool("reviewer", Decimal(1), human=True)], None)
    assert lists.price(ACME, CALL, Priced(7, "model", "EUR", "sent")) == (7, "model", "EUR", "sent")
    stated = lists.price(ACME, Usage(0, tool="reviewer"), Priced(7, "tool", "USD", "sent"))
    assert stated == (7, "human", "USD", "sent")


async def test_of_two_changes_at_once_one_comes_first(worker):
    one, other = worker(), worker()
    cheap = Price("openai", "gpt", Decimal(1), Decimal(1))
    ends = await asyncio.gather(
        one.put(ACME, "pricing", [GPT], 0), other.put(ACME, "pricing", [cheap], 0), return_exceptions=True
    )
    assert sorted(type(end).__name__ for end in ends) == ["Document", "VersionConflict"]
    stands = await one.show(ACME, "pricing")
    assert (stands.version, len(stands.entries)) == (1, 1)
    with pytest.raises(VersionConflict) as refusal:
        await one.put(ACME, "pricing", [], 0)
    assert refusal.value.details == {"version": 1}


async def test_what_changes_nothing_makes_no_version_and_may_be_sent_again(worker, store):
    lists = worker()
    for _ in range(2):
        assert (await lists.put(ACME, "rates", [Rate("EUR", "USD", Decimal("1.10"))], None)).version == 1
    assert int(await store.ask("HGET", BOOK_VERSIONS, f"{ACME.tag}:rates")) == 1


class Overtaken(Functions):
    """Lets somebody else do what they like between a publication and what comes after it."""

    meanwhile = None

    async def call(self, call):
        reply = await super().call(call)
        if call.function == "amp_ledger_publish_v2" and self.meanwhile:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return reply


async def test_an_announcement_that_is_overtaken_does_not_take_back_the_newer_one(worker, store):
    functions = Overtaken(store, [LIBRARY])
    slow, quick = PriceLists(BookStore(store, functions)), worker()

    async def ten_more():
        for price in range(10):
            await quick.put(ACME, "pricing", [Price("openai", "gpt", Decimal(price), Decimal(1))], None)

    functions.meanwhile = ten_more
    assert (await slow.put(ACME, "pricing", [GPT], None)).version == 1
    assert int(await store.ask("HGET", BOOK_VERSIONS, f"{ACME.tag}:pricing")) == 11
    await slow.refresh()
    assert slow.price(ACME, CALL, None).nanos == 9 * 10**9


async def test_a_change_whose_announcement_was_lost_is_in_force_when_it_is_sent_again(
    worker, store, monkeypatch
):
    one, other = worker(), worker()
    ask_apart = store.ask_apart

    async def lost(commands, **how):
        if any(BOOK_VERSIONS in command for command in commands):
            raise StoreUnavailable
        return await ask_apart(commands, **how)

    with monkeypatch.context() as patched:
        patched.setattr(store, "ask_apart", lost)
        with pytest.raises(StoreUnavailable):
            await one.put(ACME, "pricing", [GPT], None)
    assert (await one.put(ACME, "pricing", [GPT], None)).version == 1
    await other.refresh()
    for lists in (one, other):
        assert lists.price(ACME, CALL, None).nanos == 25 * 10**8


async def test_a_list_that_cannot_be_read_leaves_the_one_before(worker, store, caplog):
    one, other = worker(), worker()
    await one.put(ACME, "pricing", [GPT], None)
    await other.refresh()
    await one.put(ACME, "pricing", [], None)
    await store.ask("SET", book_document(ACME.tag, "pricing", 2), b"{")
    await other.refresh()
    assert other.price(ACME, CALL, None).nanos == 25 * 10**8
    assert "cannot be read" in caplog.text
