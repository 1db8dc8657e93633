"""GET /v1/insights/population: what is believed of everybody, and how it came to be."""

from dataclasses import replace

import numpy as np
import pytest

from amp.learning import fit_store, prior, prior_wire, rows
from amp.learning import store as learning_store
from amp.learning.admin_wire import FitReply
from amp.learning.approaches import PUBLISHED
from amp.learning.effects import ANY_OTHER_TASK, PopulationEffects
from amp.learning.fit_store import FitStore
from amp.learning.prior import POPULATION_DRAWS
from amp.learning.store import LearningStore
from amp.store.functions import Functions
from amp.tenancy import Tenant

TENANT = Tenant("acme", "test")
DAY_MS = 86_400_000


@pytest.fixture
def kept(store):
    functions = Functions(store, [learning_store.LIBRARY, fit_store.LIBRARY])
    return (
        LearningStore(store, functions, window_ms=DAY_MS, retention_ms=DAY_MS),
        FitStore(store, functions, retention_ms=DAY_MS),
    )


def fitted():
    """Encouragement "none" leads everywhere but in coding, where "high" does."""
    versions, (count, p) = 1 + POPULATION_DRAWS, PUBLISHED.design.shape
    tasks = np.zeros((versions, 3, p))
    coding, other = sorted((rows.task_hash("coding"), rows.task_hash("nobody told")))
    place = [coding, other].index(rows.task_hash("coding"))
    tasks[:, place, -1] = 0.4
    mean = np.r_[0.6, np.zeros(p - 2), -0.2]
    return replace(
        prior.shipped(PUBLISHED),
        version=1,
        mean=mean,
        mean_draws=np.tile(mean, (POPULATION_DRAWS, 1)),
        users=31,
        rows=310,
        effects=PopulationEffects(
            sizes=PUBLISHED.sizes,
            design=PUBLISHED.design,
            pairs=np.zeros((versions, count)),
            levels=np.zeros((versions, 4, p)),
            tasks=tasks,
            hashes=np.array([coding, other, ANY_OTHER_TASK]),
        ),
    )


async def test_before_anybody_taught_it(caller):
    body = (await (await caller("read")).get("/v1/insights/population")).json()
    assert (body["priorVersion"], body["users"], body["outcomes"], body["fits"]) == (0, 0, 0, [])
    assert (body["learner"], body["mode"]) == ("hierarchical", "learning")
    everywhere, *by_level = body["contexts"]
    assert [each["complexity"] for each in by_level] == ["low", "medium", "high"]
    assert (everywhere["taskType"], everywhere["complexity"]) == (None, None)
    assert [each["dimension"] for each in everywhere["dimensions"]] == [
        dimension.name for dimension in PUBLISHED.dimensions
    ]
    assert "heldUntil" not in body
    assert "fittedAt" not in body


async def test_defaults_by_context_and_the_fits_behind_them(serve, caller, kept):
    facts, fits = kept
    await facts.publish(TENANT, 1, prior_wire.encode(fitted()))
    await fits.name_tasks(TENANT, {rows.task_hash("coding"): "coding"})
    for version, published in ((1, True), (1, False)):
        record = FitReply(f"at {published}", version, published=published, reason="", score=-0.4)
        await fits.remember(TENANT, record)
    client = await caller("admin", on=await serve())
    body = (await client.get("/v1/insights/population")).json()

    assert (body["priorVersion"], body["users"], body["outcomes"]) == (1, 31, 310)
    assert body["fittedAt"] == "at True"
    assert [each["published"] for each in body["fits"]] == [False, True]
    assert body["default"]["encouragement"] == "none"
    best = {
        (each["taskType"], each["complexity"]): each["dimensions"][3]["option"] for each in body["contexts"]
    }
    assert len(best) == len(body["contexts"]) == 12
    assert {task for task, _ in best} == {None, "coding", "other"}
    assert {option for (task, _), option in best.items() if task != "coding"} == {"none"}
    assert {option for (task, _), option in best.items() if task == "coding"} != {"none"}
    encouragement = body["contexts"][0]["dimensions"][3]
    assert encouragement["probabilityBest"] == 1.0
    assert encouragement["lead"] > 0.2
    assert encouragement["expectedReward"] > 0.6
    assert 1 < encouragement["strength"] < 20


async def test_another_tenant_sees_its_own_population(serve, caller, kept):
    facts, fits = kept
    await facts.publish(TENANT, 1, prior_wire.encode(fitted()))
    await fits.remember(TENANT, FitReply("now", 1, published=True, reason=""))
    client = await caller("read", tenant="zoo", on=await serve())
    body = (await client.get("/v1/insights/population")).json()
    assert (body["priorVersion"], body["fits"]) == (0, [])


async def test_it_says_when_fits_wait(caller, kept):
    facts, _ = kept
    await facts.publish(TENANT, 1, prior_wire.encode(fitted()))
    client = await caller("admin")
    assert (await client.post("/v1/admin/rollback", json={"version": 0})).status_code in {200, 202}
    body = (await client.get("/v1/insights/population")).json()
    assert body["heldUntil"] == "POST /v1/admin/refit"
    assert body["fits"][0]["reason"] == "Rolled back to prior 0."
