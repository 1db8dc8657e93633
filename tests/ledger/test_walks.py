"""The lease of a walk over the chains: whose it is not any more changes nothing of it."""

import pytest

from amp.ledger.standing import UNHEARD, Verifications
from amp.ledger.verified import Walk
from amp.store.trust_keys import ledger_verifying
from amp.tenancy import tenant

pytestmark = pytest.mark.cluster

OWNER = tenant("acme", "live")
HELD_MS = 30_000


def walk(entries, second, **told):
    return Walk(f"2026-01-31T12:00:{second:02}.000Z", entries, 100, **told)


@pytest.fixture
def kept(any_store):
    return Verifications(any_store)


@pytest.fixture
def lapse(any_store):
    """As half a minute without a word does."""
    return lambda: any_store.ask("DEL", ledger_verifying(OWNER.tag))


async def under_way(kept):
    return (await kept.both(OWNER))[1]


async def test_who_is_under_way_tells_how_far_and_nobody_else_begins(kept):
    assert await kept.tell(OWNER, "a", walk(0, 1), HELD_MS)
    assert not await kept.tell(OWNER, "b", walk(0, 2), HELD_MS)
    assert await kept.tell(OWNER, "a", walk(7, 1), HELD_MS)
    assert ((await under_way(kept)).entries, (await under_way(kept)).at) == (7, walk(7, 1).at)


async def test_a_lease_that_lapsed_is_neither_overwritten_nor_given_up_by_who_had_it(kept, lapse):
    await kept.tell(OWNER, "a", walk(7, 1), HELD_MS)
    await lapse()
    assert await under_way(kept) is None
    assert await kept.ended_early(OWNER) == UNHEARD
    assert await kept.tell(OWNER, "b", walk(2, 9), HELD_MS)
    assert not await kept.tell(OWNER, "a", walk(8, 1), HELD_MS)
    assert not await kept.end(OWNER, "a", walk(8, 1, ended_early="the store did not answer"))
    assert not await kept.end(OWNER, "a", None)
    assert ((await under_way(kept)).entries, (await under_way(kept)).at) == (2, walk(2, 9).at)
    assert await kept.ended_early(OWNER) == ""


async def test_who_lapsed_goes_on_if_nobody_else_began(kept, lapse):
    await kept.tell(OWNER, "a", walk(7, 1), HELD_MS)
    await lapse()
    assert await kept.tell(OWNER, "a", walk(8, 1), HELD_MS)
    assert (await under_way(kept)).entries == 8


async def test_an_end_lets_others_begin_and_only_one_without_success_leaves_a_reason(kept):
    await kept.tell(OWNER, "a", walk(7, 1), HELD_MS)
    assert await kept.end(OWNER, "a", walk(7, 1, ended_early="the store did not answer"))
    assert (await under_way(kept), await kept.ended_early(OWNER)) == (None, "the store did not answer")
    assert await kept.tell(OWNER, "b", walk(0, 2), HELD_MS)
    assert await kept.end(OWNER, "b", None)
    assert (await under_way(kept), await kept.ended_early(OWNER)) == (None, "")


async def test_a_lease_lasts_as_long_as_it_was_told(kept, any_store):
    await kept.tell(OWNER, "a", walk(7, 1), HELD_MS)
    assert 0 < int(await any_store.ask("PTTL", ledger_verifying(OWNER.tag))) <= HELD_MS
