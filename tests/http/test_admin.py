"""POST /v1/admin/refit and /rollback: what they answer, and whose prior they touch."""

import asyncio

import pytest
from envelopes import refused

from amp.learning import admin, fit_store
from amp.learning import store as learning_store
from amp.learning.approaches import PUBLISHED
from amp.learning.fit_store import FitStore
from amp.learning.policies import InForce, Policies
from amp.learning.refit import Refit
from amp.learning.store import LearningStore
from amp.learning.types import Policy
from amp.store.functions import Functions
from amp.tenancy import Tenant

DAY_MS = 86_400_000
SCOPES = ("context", "outcome", "profile", "admin")


@pytest.fixture
async def background(store, keyring, monkeypatch):
    """The process of the background fit, in this one."""
    functions = Functions(store, [learning_store.LIBRARY, fit_store.LIBRARY])
    facts = LearningStore(store, functions, window_ms=DAY_MS, retention_ms=30 * DAY_MS)
    fits = FitStore(store, functions, retention_ms=30 * DAY_MS)
    ruling = Policies(InForce(Policy(), PUBLISHED))
    refit = Refit(facts, keyring, fits=fits, policies=ruling)
    monkeypatch.setattr("amp.learning.refit.LOOK_EVERY_S", 0.02)
    monkeypatch.setattr("amp.learning.refit.FIRST_AT", 10**9)  # so that only an ask starts a fit
    monkeypatch.setattr("amp.learning.attendance.POLL_S", 0.02)
    monkeypatch.setattr(admin, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(admin, "REFIT_WITHIN_S", 30.0)
    running = asyncio.create_task(refit.run())
    yield
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def taught(client, users=12):
    for user in range(users):
        await client.interact(f"user {user}", times=2, completed=user % 3 > 0)


async def test_a_refit_answers_when_the_next_decision_rests_on_it(background, caller):
    client = await caller(*SCOPES)
    await taught(client)
    answer = await client.post("/v1/admin/refit")
    body = answer.json()
    assert (answer.status_code, body["done"], body["workers"]) == (200, True, 1)
    assert body["fit"]["published"] is True
    assert (body["fit"]["users"], body["fit"]["outcomes"], body["fit"]["reason"]) == (12, 24, "")
    posterior = (await client.get("/v1/profile/user 1/posterior")).json()
    assert posterior["priorVersion"] == body["priorVersion"] >= 1


async def test_two_who_ask_at_once_are_both_answered(background, caller):
    client = await caller(*SCOPES)
    await taught(client)
    answers = await asyncio.gather(*(client.post("/v1/admin/refit") for _ in range(2)))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert all(answer.json()["done"] for answer in answers)


async def test_what_was_rolled_back_stands_until_a_refit(background, caller):
    client = await caller(*SCOPES)
    await taught(client)
    fitted = (await client.post("/v1/admin/refit")).json()["priorVersion"]
    before = (await client.get("/v1/profile/user 1/posterior")).json()
    answer = await client.post("/v1/admin/rollback", json={"version": 0})
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "done": True,
            "priorVersion": fitted + 1,
            "restored": 0,
            "workers": 1,
            "heldUntil": "POST /v1/admin/refit",
        },
    )
    after = (await client.get("/v1/profile/user 1/posterior")).json()
    assert after["priorVersion"] == fitted + 1
    assert after["dimensions"] != before["dimensions"]
    again = (await client.post("/v1/admin/rollback", json={"version": fitted})).json()
    assert (again["restored"], again["priorVersion"]) == (fitted, fitted + 2)
    restored = (await client.get("/v1/profile/user 1/posterior")).json()
    assert restored["dimensions"] == before["dimensions"]


async def test_one_tenants_refit_and_rollback_leave_the_others_alone(background, caller, store):
    client, other = await caller(*SCOPES), await caller(*SCOPES, tenant="zoo")
    await taught(client)
    version = (await client.post("/v1/admin/refit")).json()["priorVersion"]
    refused(await other.post("/v1/admin/rollback", json={"version": version}), 400, "INVALID_PARAMETER")
    await other.interact("user 1")
    assert (await other.get("/v1/profile/user 1/posterior")).json()["priorVersion"] == 0
    assert (await client.get("/v1/profile/user 1/posterior")).json()["priorVersion"] == version


@pytest.mark.parametrize("body", [{}, {"version": "1"}, {"version": 1.5}, {"version": None}, [1]])
async def test_a_rollback_to_nothing_in_particular_is_refused(caller, body):
    client = await caller("admin")
    refused(await client.post("/v1/admin/rollback", json=body), 400, "INVALID_PARAMETER")


async def test_a_prior_that_is_gone_is_a_404_that_says_why(caller, store):
    client = await caller("admin")
    tag = Tenant("acme", "test").tag
    await store.ask("HSET", "{amp}:priors", tag, 7)
    answer = await client.post("/v1/admin/rollback", json={"version": 3})
    refused(answer, 404, "NOT_FOUND")
    assert "Prior 3 is no longer kept" in answer.json()["error"]["message"]


async def test_without_a_background_fit_a_refit_is_not_done(caller):
    answer = await (await caller("admin")).post("/v1/admin/refit")
    assert (answer.status_code, answer.json()) == (202, {"done": False, "priorVersion": 0, "workers": 0})


async def test_without_the_store_nothing_is_operated(caller, outage):
    client = await caller("admin")
    with outage():
        for path, body in (("refit", None), ("rollback", {"version": 0})):
            refused(await client.post(f"/v1/admin/{path}", json=body), 503, "STORE_UNAVAILABLE")
