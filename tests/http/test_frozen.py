"""Frozen mode: decisions rest on what was known when learning was frozen, until it thaws."""

import pytest

from amp.learning import policies
from amp.learning.approaches import PUBLISHED
from amp.learning.policies import InForce
from amp.learning.types import Policy


@pytest.fixture
def service(monkeypatch, serve, caller):
    """A client of one more service on the same store, under a policy of the test's own."""

    async def make(**rules):
        monkeypatch.setattr(policies, "first", lambda _: InForce(Policy(**rules), PUBLISHED))
        return await caller("context", "outcome", "profile", on=await serve())

    return make


async def believed(client):
    return (await client.get("/v1/profile/ada/posterior")).json()


async def store_ms(store):
    seconds, micros = await store.ask("TIME")
    return int(seconds) * 1000 + int(micros) // 1000


async def tick(store):
    """When the store's clock has moved on by a millisecond."""
    at = await store_ms(store)
    while (now := await store_ms(store)) == at:
        pass
    return now


async def test_what_is_reported_later_is_kept_and_counts_again_after_thawing(service, store):
    learning = await service()
    await learning.interact(times=3, completed=True)
    late = await learning.decided()
    before = await believed(learning)
    frozen_ms = await store_ms(store)
    await tick(store)

    frozen = await service(mode="frozen", frozen_ms=frozen_ms)
    assert (await learning.outcome(late)).status_code == 200  # decided before, reported after
    await frozen.interact(times=3, started=False)
    now = await believed(frozen)
    assert now["dimensions"] == before["dimensions"]
    assert now["userWeight"] == before["userWeight"]
    context = (await frozen.context()).json()
    assert context["metadata"]["interactionCount"] == 7
    assert context["metadata"]["userWeight"] == pytest.approx(before["userWeight"], abs=1e-4)
    profile = (await frozen.get("/v1/profile/ada")).json()
    assert (profile["totalInteractions"], profile["completionRate"]) == (7, 3 / 7)

    thawed = await believed(await service())
    assert thawed["userWeight"] > before["userWeight"]
    assert thawed["dimensions"] != before["dimensions"]


async def test_a_staged_report_replaced_after_the_freeze_counts_neither_way(service, store):
    """It cannot be undone: the row that was known is gone."""
    learning = await service()
    request = await learning.decided()
    await learning.outcome(request, completed=False, final=False)
    frozen_ms = await store_ms(store)
    await tick(store)
    frozen = await service(mode="frozen", frozen_ms=frozen_ms)
    assert (await believed(frozen))["userWeight"] > 0
    await frozen.outcome(request, completed=True)
    assert (await believed(frozen))["userWeight"] == 0
