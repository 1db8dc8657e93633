"""Many large writes at once go by several lines: a bucket's by one, and none waits for those of another."""

import pytest

from amp.errors import StoreUnavailable
from amp.ledger.appending import Appender
from amp.ledger.store import Write, Written
from amp.store.connection import WAYS, connect
from amp.store.ledger_keys import bucket_of, job_keys
from amp.store.readiness import check
from amp.tenancy import Tenant

ACME = Tenant("acme", "test")


@pytest.fixture
async def many(real_url):
    store = connect(real_url)
    yield store
    await store.close()


async def test_each_way_is_a_line_of_its_own(many):
    lines = [await many.ask_apart([("CLIENT", "ID")] * 2, way=way) for way in range(WAYS)]
    assert all(first == second for first, second in lines)
    assert len({first for first, _ in lines}) == WAYS


async def test_a_line_that_is_lost_takes_the_answers_of_its_own_calls_only(many, monkeypatch):
    async def lost(_):
        raise StoreUnavailable

    monkeypatch.setattr(many._beside[0], "call", lost)
    with pytest.raises(StoreUnavailable):
        await many.ask_apart([("PING",)], way=1)
    for way in (0, *range(2, WAYS)):
        assert await many.ask_apart([("PING",)], way=way) == [b"PONG"]


async def test_a_store_that_refuses_one_of_the_lines_is_not_ready(many, monkeypatch):
    assert (await check(many))[0].found != "no answer"

    async def lost(_):
        raise StoreUnavailable

    monkeypatch.setattr(many._beside[1], "call", lost)
    (found,) = await check(many)
    assert (found.name, found.ok, found.found) == ("store", False, "no answer")


async def test_entries_of_a_bucket_always_go_the_same_way():
    went = []

    class Ledger:
        async def write(self, writes, *, way):
            went.extend((way, write.bucket) for write in writes)
            return [Written("recorded") for _ in writes]

    appender = Appender(Ledger())
    for job in (f"job-{number % 40}" for number in range(80)):
        await appender.append(ACME, Write("meter", bucket_of(job), job_keys(ACME, job), job, 1, b""))
    assert len(went) == 80
    assert {way for way, _ in went} == set(range(WAYS))
    assert len(set(went)) == len({bucket for _, bucket in went})
