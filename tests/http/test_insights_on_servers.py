"""The measurement on a real store, and what only that can show."""

import pytest
from measuring import LIVE, SCOPES, SHARE, kept_on, lived, measured, measuring

from amp.learning.insight_store import DAY_MS


@pytest.fixture
def store(real_store):
    return real_store


async def test_a_real_store_measures_the_same(real_store, real_url, serve, caller):
    service = await serve(control_share=SHARE, redis=real_url)
    client = await caller(*SCOPES, env="live", on=service)
    await lived(client, users=100, taskType="coding")
    assert await measured(service, measuring(real_store))
    lift = (await client.get("/v1/insights/lift")).json()
    assert lift["verdict"].startswith("learned users do better")
    assert [each["name"] for each in lift["where"]] == ["cold_start", "coding"]
    told = (await client.get("/v1/insights/reporting")).json()
    assert (told["all"]["decided"], told["all"]["reported"]) == (200, 200)
    (counted,) = await real_store.ask("KEYS", "*:counts:*")
    left_ms = await real_store.ask("PTTL", counted)
    assert 29 * DAY_MS < left_ms <= 31 * DAY_MS


async def test_a_decision_that_is_refused_is_none(real_store, real_url, serve, caller, monkeypatch):
    monkeypatch.setattr("amp.http.limits.COUNT_OR_PASS_WITHIN_S", 30.0)  # on a busy machine too it counts
    limited = await serve(control_share=SHARE, rate_limit=2, redis=real_url)
    client = await caller(*SCOPES, env="live", on=limited)
    answers = [(await client.context(f"user {user}")).status_code for user in range(4)]
    assert answers == [200, 200, 429, 429]
    assert await measured(limited, measuring(real_store))
    newest = await kept_on(real_store).newest(LIVE)
    assert newest.reporting.all.decided == 2
