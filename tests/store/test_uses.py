"""When keys were last used, and what was turned away: counted in memory, written seldom, never twice."""

import pytest

from amp.errors import StoreUnavailable
from amp.store.uses import DAY_MS, DEGRADED, Uses
from amp.tenancy import tenant

pytestmark = pytest.mark.cluster

ACME, OTHER = tenant("acme", "live"), tenant("acme", "test")
NOON_MS = 20_000 * DAY_MS + DAY_MS // 2


class Hour:
    def __init__(self):
        self.now_ms = NOON_MS

    def __call__(self):
        return self.now_ms


@pytest.fixture
def store(any_store):
    return any_store


@pytest.fixture
def clock():
    return Hour()


@pytest.fixture
def uses(store, clock):
    return Uses(store, clock=clock)


async def test_a_worker_writes_a_keys_use_at_most_once_a_minute(store, clock, uses):
    uses.used("k1")
    await uses.flush()
    for later_ms in (5_000, 10_000, 59_000):
        clock.now_ms = NOON_MS + later_ms
        uses.used("k1")
        uses.used("k2") if later_ms == 10_000 else None
        await uses.flush()
    assert await uses.last(["k1", "k2", "k3"]) == [NOON_MS, NOON_MS + 10_000, None]
    clock.now_ms = NOON_MS + 60_000
    await uses.flush()  # what was used within the minute is told once it may be
    assert await uses.last(["k1"]) == [NOON_MS + 60_000]
    await store.ask("DEL", b"{amp}:keys:used")
    clock.now_ms += 120_000
    await uses.flush()
    assert await uses.last(["k1"]) == [None]  # nobody has used it since


async def test_what_was_turned_away_is_summed_over_workers_and_told_by_day_and_tenant(store, clock, uses):
    second = Uses(store, clock=clock)
    for status in (400, 429, 429, DEGRADED):
        uses.turned(ACME, status)
    second.turned(ACME, 429)
    uses.turned(OTHER, 503)
    for _ in range(2):
        await uses.flush()
        await second.flush()
    clock.now_ms += DAY_MS
    uses.turned(ACME, 404)
    await uses.flush()
    today = clock.now_ms // DAY_MS
    days = await uses.days(ACME)
    assert list(days) == [today - back for back in range(7)]
    assert days[today] == {"404": 1}
    assert days[today - 1] == {"400": 1, "429": 3, DEGRADED: 1}
    assert (await uses.days(OTHER))[today - 1] == {"503": 1}


async def test_a_flush_that_fails_loses_and_doubles_nothing(store, uses, monkeypatch):
    uses.turned(ACME, 400)
    uses.used("k1")
    await uses.flush()
    uses.turned(ACME, 400)
    written = store.ask_all

    async def written_but_not_heard(commands):
        await written(commands)
        raise StoreUnavailable

    monkeypatch.setattr(store, "ask_all", written_but_not_heard)
    with pytest.raises(StoreUnavailable):
        await uses.flush()
    monkeypatch.setattr(store, "ask_all", written)
    await uses.flush()
    assert next(iter((await uses.days(ACME)).values())) == {"400": 2}


async def test_days_end_by_themselves(store, uses):
    uses.turned(ACME, 400)
    await uses.flush()
    (key,) = await store.ask("KEYS", b"*:turned:*")
    assert 30 * 86_400 < await store.ask("TTL", key) <= 31 * 86_400
