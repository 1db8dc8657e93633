"""Users' ids in the store: who was heard of last, and a look that is bounded however large a bucket is."""

import pytest
from reports import TENANT, report

from amp.errors import StoreUnavailable
from amp.learning import user_store
from amp.learning.recent import USERS_MAX, Recent
from amp.learning.user_store import Place, Seen, UserStore
from amp.store.functions import Functions
from amp.store.keys import bucket_tag, recent_users, user_keys

pytestmark = pytest.mark.cluster


@pytest.fixture
def store(any_store):
    return any_store


@pytest.fixture
def ids(store):
    return UserStore(store, Functions(store, [user_store.LIBRARY]))


async def known(store, names, number=None):
    """These users, in their own buckets or all in one."""
    keys = [
        user_keys(TENANT, name).users if number is None else bucket_tag(TENANT, number) + b":users"
        for name in names
    ]
    await store.ask_all([("SADD", key, name) for key, name in zip(keys, names, strict=True)])


async def test_only_who_has_a_profile_is_listed_and_the_newest_comes_first(ids, facts, now):
    await facts.report([report(1, now, user="ada"), report(2, now, user="bob")])
    await ids.remember([Seen(TENANT, name, at) for name, at in (("ada", 5), ("nobody", 6), ("bob", 7))])
    assert await ids.recent(TENANT, 20) == ["bob", "ada"]
    await ids.remember([Seen(TENANT, "ada", 9)])
    assert await ids.recent(TENANT, 1) == ["ada"]


async def test_who_was_erased_is_not_listed_by_a_late_write(ids, facts, store, now):
    await facts.report([report(1, now)])
    await facts.erase(TENANT, "ada")
    await ids.remember([Seen(TENANT, "ada", 5)])
    assert await ids.recent(TENANT, 20) == []
    await facts.report([report(2, now + 60_000)])  # decided after: known again
    await ids.remember([Seen(TENANT, "ada", 6)])
    assert await ids.recent(TENANT, 20) == ["ada"]
    await ids.forget(TENANT, "ada")
    assert await store.ask("EXISTS", recent_users(TENANT, 0)) == 0
    assert await ids.recent(TENANT, 20) == []


async def test_small_buckets_are_read_whole_and_together(ids, store):
    names = [f"user {number}" for number in range(3000)]
    await known(store, names)
    place, seen, looks = Place(), [], 0
    while place is not None:
        looked = await ids.look(TENANT, "user 1", place, enough=10_000, budget=1)
        assert looked.known == 3000
        assert looked.looked_at <= user_store.PAGE
        seen += looked.found
        looks += 1
        place = looked.next
    assert sorted(seen) == sorted(name for name in names if name.startswith("user 1"))
    assert looks <= 5


async def test_a_large_bucket_is_read_in_parts(ids, store):
    names = [f"user {number}" for number in range(5000)]
    await known(store, names, number=9)
    first = await ids.look(TENANT, "user", Place(), enough=10_000, budget=2000)
    assert 2000 <= first.looked_at < 4000
    assert first.next is not None
    assert first.next.bucket == 9
    assert first.next.cursor > 0
    rest = await ids.look(TENANT, "user", first.next, enough=10_000, budget=10_000)
    assert rest.next is None
    assert {*first.found, *rest.found} == set(names)


async def test_it_stops_once_enough_is_found(ids, store):
    await known(store, [f"user {number}" for number in range(5000)], number=9)
    looked = await ids.look(TENANT, "user", Place(), enough=10, budget=10_000)
    assert 10 <= looked.looked_at < 2500


async def test_a_worker_remembers_the_newest_and_writes_them_once(ids, facts, now):
    await facts.report([report(number + 1, now, user=f"user {number}") for number in range(3)])
    recent = Recent(ids, clock=iter(range(10_000)).__next__)
    for number in range(USERS_MAX + 50):
        recent.heard(TENANT, f"other {number}")
    assert len(recent._seen) == USERS_MAX
    for number in (0, 1, 2, 0):
        recent.heard(TENANT, f"user {number}")
    await recent.flush()
    assert recent._seen == {}
    assert await ids.recent(TENANT, 20) == ["user 0", "user 2", "user 1"]


async def test_what_could_not_be_written_is_written_the_next_time(ids, facts, store, now, outage):
    await facts.report([report(1, now)])
    recent = Recent(ids)
    recent.heard(TENANT, "ada")
    with outage(), pytest.raises(StoreUnavailable):
        await recent.flush()
    await recent.flush()
    assert await ids.recent(TENANT, 20) == ["ada"]
