"""Preferences, their locks, and the metadata of a profile."""

import pytest
from reports import TENANT, nonces, report, sent

from amp.learning.types import Preference
from amp.store.keys import user_keys


@pytest.fixture
def prefer(facts):
    """Changes ada's profile; the options by dimension afterwards, or None when it was refused."""

    async def change(changes=None, lock="keep", **metadata):
        changed = await facts.prefer(
            TENANT, "ada", alias=b"8 bytes.", changes=changes or {}, lock=lock, metadata=metadata
        )
        return changed and shown(changed[0])

    return change


def shown(record):
    """{dimension: option, or option and "locked"}."""
    return {
        dimension: (preference.option, "locked") if preference.locked else preference.option
        for dimension, preference in enumerate(record.preferences)
        if preference is not None
    }


async def test_only_what_is_sent_changes_and_none_clears(prefer):
    assert await prefer({0: 2, 3: 0}) == {0: 2, 3: 0}
    assert await prefer({1: 1}) == {0: 2, 1: 1, 3: 0}
    assert await prefer({0: None, 3: 1}) == {1: 1, 3: 1}
    assert await prefer({1: None, 3: None}) == {}


async def test_a_lock_holds_what_is_sent_with_it_and_nothing_else(prefer):
    assert await prefer({0: 2}) == {0: 2}
    assert await prefer({1: 1}, "on") == {0: 2, 1: (1, "locked")}


async def test_another_preference_unlocks_nothing_whatever_it_says_of_its_own_lock(prefer):
    await prefer({0: 2}, "on")
    assert await prefer({1: 1}) == {0: (2, "locked"), 1: 1}
    assert await prefer({2: 1}, "off") == {0: (2, "locked"), 1: 1, 2: 1}
    assert await prefer(lock="off") == {0: (2, "locked"), 1: 1, 2: 1}
    assert await prefer({1: None}, "off") == {0: (2, "locked"), 2: 1}


async def test_a_lock_stays_on_until_it_is_sent_off_or_cleared(prefer):
    await prefer({0: 2}, "on")
    assert await prefer({0: 3}) == {0: (3, "locked")}
    assert await prefer({0: 3}, "off") == {0: 3}
    await prefer({0: 3}, "on")
    assert await prefer({0: None}) == {}
    assert await prefer({0: 1}) == {0: 1}, "cleared is unlocked"


async def test_clearing_under_lock_leaves_no_lock_behind(prefer):
    assert await prefer({0: None}, "on") == {}
    assert await prefer({0: 1}) == {0: 1}


async def test_all_four_dimensions_and_the_highest_option_have_their_place(facts, prefer, now):
    highest = dict.fromkeys(range(4), 126)
    assert await prefer(highest, "on") == dict.fromkeys(range(4), (126, "locked"))
    assert await sent(facts, report(1, now)) == ["new"]
    assert await prefer({3: None}) == dict.fromkeys(range(3), (126, "locked"))
    assert await nonces(facts) == [1]


async def test_a_slot_beyond_the_fourth_makes_the_header_longer_for_as_long_as_it_states_something(
    facts, store, prefer, now
):
    """48 bytes more, in which no row may be sought; what is reported lies behind them as before."""
    assert await prefer({0: 2, 11: 5}, "on") == {0: (2, "locked"), 11: (5, "locked")}
    assert await store.ask("STRLEN", user_keys(TENANT, "ada").record) == 96
    assert await sent(facts, report(1, now), report(2, now)) == ["new", "new"]
    assert await sent(facts, report(1, now)) == ["replay"]
    assert await prefer({4: 0, 11: None}) == {0: (2, "locked"), 4: 0}
    assert await prefer({4: None}) == {0: (2, "locked")}
    assert await store.ask("STRLEN", user_keys(TENANT, "ada").record) == 48 * 3
    assert await sent(facts, report(2, now), report(3, now)) == ["replay", "new"]
    assert await prefer({4: 1}) == {0: (2, "locked"), 4: 1}
    assert await nonces(facts) == [1, 2, 3]


async def test_a_long_header_and_a_trimmed_history_go_together(facts, prefer, now):
    """Trimming keeps every preference, and a preference that makes the header longer keeps every row."""
    many = [report(number, now - 100 + number // 10) for number in range(1, 577)]
    await prefer({9: 3})
    await facts.report(many)
    record, _ = await facts.profile(TENANT, "ada")
    assert (record.trimmed, len(record.rows) // 48, shown(record)) == (64, 512, {9: 3})
    assert await prefer({9: None}) == {}
    assert await prefer({5: 1}, "on") == {5: (1, "locked")}
    assert await nonces(facts) == list(range(65, 577))
    assert await sent(facts, report(1, now - 100), report(576, now - 43)) == ["replay", "replay"]
    record, _ = await facts.profile(TENANT, "ada")
    assert (record.trimmed, record.interactions) == (64, 576)


async def test_each_preference_keeps_its_own_time_whatever_is_said_of_another(facts, prefer):
    """Else what has been reported against one would be forgotten with the next."""
    await prefer({0: 2, 1: 1})
    first, _ = await facts.profile(TENANT, "ada")
    await later_than(facts, first.preferences[0].since_ms)
    await prefer({1: 1, 2: 0}, "on")
    second, _ = await facts.profile(TENANT, "ada")
    assert second.preferences[0] == first.preferences[0]
    assert second.preferences[1].since_ms == second.preferences[2].since_ms > first.preferences[1].since_ms
    await later_than(facts, second.preferences[1].since_ms)
    await prefer({1: None})
    third, _ = await facts.profile(TENANT, "ada")
    assert third.preferences == (first.preferences[0], None, second.preferences[2], None)


async def later_than(facts, at_ms):
    """Waits until the store's clock has moved on, by a millisecond at most."""
    while (await facts.read([]))[0] <= at_ms:
        pass


async def test_a_preference_is_no_outcome(facts, prefer, now):
    for number in range(40):
        await prefer({0: number % 4})
    await sent(facts, report(1, now))
    assert await facts.outcomes(TENANT) == 1


async def test_a_preference_is_dated_by_the_stores_clock_and_metadata_alone_does_not_redate_it(
    facts, prefer, now
):
    await prefer({0: 2})
    record, details = await facts.profile(TENANT, "ada")
    since = record.preferences[0].since_ms
    assert now <= since <= now + 5000
    assert record.preferences[0] == Preference(2, locked=False, since_ms=since)
    assert record.created_ms == since == details.changed_ms
    await later_than(facts, since)
    await prefer(team=b"1")
    record, details = await facts.profile(TENANT, "ada")
    assert record.preferences[0].since_ms == since < details.changed_ms


async def test_a_preference_makes_a_profile_and_leaves_a_history_alone(facts, prefer, now):
    await prefer({0: 2})
    assert await sent(facts, report(1, now), report(2, now)) == ["new", "new"]
    await prefer({0: None, 1: 1})
    assert await nonces(facts) == [1, 2]
    assert await sent(facts, report(1, now)) == ["replay"]
    record, _ = await facts.profile(TENANT, "ada")
    assert (shown(record), record.interactions, record.alias) == ({1: 1}, 2, b"8 bytes.")


async def test_metadata_is_merged_key_by_key_and_none_deletes(facts, prefer):
    await prefer(team=b'"blue"', seats=b"3")
    await prefer(seats=b"4", plan=b"{}")
    await prefer(team=None, never=None)
    _, details = await facts.profile(TENANT, "ada")
    assert details.metadata == {"seats": b"4", "plan": b"{}"}


async def test_metadata_over_its_limit_is_refused_and_changes_nothing_at_all(facts, prefer):
    fits = b"x" * (4096 - len("big"))
    assert await prefer({0: 1}, big=fits) == {0: 1}
    before = await facts.profile(TENANT, "ada")
    assert await prefer({0: 2}, "on", k=b"") is not None, "deleting what is not there is no growth"
    assert await prefer({0: 3}, more=b"1") is None
    assert await prefer({0: 3}, big=fits + b"x") is None
    record, details = await facts.profile(TENANT, "ada")
    assert shown(record) == {0: (2, "locked")}
    assert details.metadata == before[1].metadata
    assert await prefer(big=None, more=fits[1:]) is not None, "what is deleted in the same call makes room"


async def test_a_change_that_is_sent_again_changes_nothing_more(prefer):
    first = await prefer({0: 2, 1: 1}, "on", team=b"1")
    assert await prefer({0: 2, 1: 1}, "on", team=b"1") == first
