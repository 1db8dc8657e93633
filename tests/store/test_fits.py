"""Asked for, remembered, rolled back: what the store knows of fits and of the workers that use them."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from reports import COMPLETED, HOUR_MS, NEVER, TENANT, report

from amp.errors import InvalidParameter, NotFound, StoreUnavailable
from amp.learning import admin as verbs
from amp.learning import prior_wire
from amp.learning import refit as background
from amp.learning.admin import Admin
from amp.learning.admin_wire import FitReply
from amp.learning.approaches import PUBLISHED, Approaches, Dimension
from amp.learning.attendance import HEARTBEAT_S, Attendance
from amp.learning.fit_store import RECORDS_KEPT, SILENT_MS
from amp.learning.policies import InForce, Policies
from amp.learning.prior import shipped
from amp.learning.priors import Priors
from amp.learning.refit import AT_LEAST_EVERY_S, LOOK_AT_LEAST_EVERY_S, Refit
from amp.learning.types import Policy
from amp.store.keyring import Keyring, pepper
from amp.store.keys import WORKERS, prior_blob, task_names
from amp.tenancy import Tenant

OTHER = Tenant("zoo", "test")
RULING = Policies(InForce(Policy(), PUBLISHED))
TAG = TENANT.tag


@pytest.fixture
def store(any_store):
    return any_store


@pytest.fixture
async def refit(facts, fits, store):
    keyring = Keyring(store, pepper("a secret of thirty-two characters or more"))
    for owner in (TENANT, OTHER):
        await keyring.create(tenant=owner.name, env=owner.env, scopes=("admin",), expires_ms=None)
    return Refit(facts, keyring, fits=fits, policies=RULING)


@pytest.fixture
def operator(facts, fits):
    return Admin(facts, fits, policies=RULING)


@pytest.fixture
def worker(facts, fits):
    """Workers with a clock of the test's own: `worker(now_s)`."""

    def make(elapsed_s=lambda: 0.0):
        return Attendance(fits, Priors(facts, RULING), RULING, elapsed_s=elapsed_s)

    return make


async def taught(facts, tenant=TENANT, *, users=range(20), task_type=""):
    now, _ = await facts.read([])
    rng = np.random.default_rng(1)
    reports = [
        report(
            user * 10 + nth,
            now - HOUR_MS + nth,
            COMPLETED if rng.random() < 0.8 else NEVER,
            task_type=task_type,
        )._replace(tenant=tenant, user=f"user {user}")
        for user in users
        for nth in range(1, 4)
    ]
    assert set(await facts.report(reports)) == {"new"}


async def record(fits):
    return (await fits.records(TENANT))[0]


async def asked(fits):
    """When somebody has asked for a fit."""
    while not await fits.asks():
        pass


# Asked for


async def test_a_fit_is_made_for_whoever_asks_whatever_the_growth(facts, fits, refit):
    await taught(facts)
    await refit.look(0.0)
    assert await refit.look(LOOK_AT_LEAST_EVERY_S) == 0
    ask = await fits.ask(TENANT)
    assert await fits.asks() == {TAG: ask}
    await refit.look(LOOK_AT_LEAST_EVERY_S + 1)  # long before it would count again
    served = await fits.served(TENANT)
    assert (served.ask, served.users, served.outcomes) == (ask, 20, 60)
    assert served == await record(fits)
    assert await fits.asks() == {}


async def test_all_who_ask_before_a_fit_begins_share_it_and_who_asks_later_gets_another(facts, fits, refit):
    await taught(facts)
    first, second = await asyncio.gather(fits.ask(TENANT), fits.ask(TENANT))
    await refit.look(0.0)
    assert (await fits.served(TENANT)).ask == max(first, second)
    assert len(await fits.records(TENANT)) == 1
    assert await fits.ask(TENANT) > max(first, second)
    assert set(await fits.asks()) == {TAG}


async def test_an_ask_is_another_tenants_business_never(facts, fits, refit):
    for tenant in (TENANT, OTHER):
        await taught(facts, tenant)
    await refit.look(0.0)
    await fits.ask(TENANT)
    await refit.look(1.0)
    assert len(await fits.records(TENANT)) == 2
    assert len(await fits.records(OTHER)) == 1
    assert await fits.served(OTHER) is None


@pytest.mark.parametrize("users", [0, 9])
async def test_who_asks_in_vain_is_told_why(facts, fits, refit, operator, users):
    await taught(facts, users=range(users)) if users else None
    asking = asyncio.create_task(operator.refit(TENANT, within_s=30))
    await asked(fits)
    await refit.look(0.0)
    reply = await asking
    assert (reply.done, reply.prior_version, reply.fit.published) == (True, 0, False)
    assert reply.fit.reason == background.TOO_FEW
    assert reply.fit.score is None


async def test_a_fit_that_fails_answers_too(facts, fits, refit, monkeypatch):
    def broken(*_):
        raise np.linalg.LinAlgError("Singular matrix")

    await taught(facts)
    monkeypatch.setattr(background, "fit", broken)
    ask = await fits.ask(TENANT)
    await refit.look(0.0)
    assert (await fits.served(TENANT)).ask == ask
    assert (await record(fits)).reason == background.FAILED
    assert await fits.asks() == {}


async def test_an_ask_outlives_the_leader_that_was_about_to_answer_it(facts, fits, refit, monkeypatch):
    async def ends(*_):
        raise StoreUnavailable

    await taught(facts)
    ask = await fits.ask(TENANT)
    with monkeypatch.context() as patched:
        patched.setattr(fits, "remember", ends)
        await refit.look(0.0)
    assert await fits.asks() == {TAG: ask}
    await refit.look(1.0)
    assert (await fits.served(TENANT)).ask == ask


async def test_a_frozen_tenant_is_not_fitted_for_those_who_ask_either(facts, fits, refit):
    await taught(facts)
    refit._policies = Policies(InForce(Policy(mode="frozen"), PUBLISHED))
    await fits.ask(TENANT)
    assert await refit.look(0.0) == 0
    assert (await fits.served(TENANT)).reason == background.FROZEN
    assert await facts.prior_versions() == {}


async def test_without_a_background_fit_who_asks_hears_that_it_is_not_done(operator):
    reply = await operator.refit(TENANT, within_s=0.0)
    assert (reply.done, reply.fit) == (False, None)


# Remembered


async def test_every_fit_is_remembered_with_how_it_did(facts, fits, refit):
    await taught(facts)
    await refit.look(0.0)
    kept = await record(fits)
    assert (kept.published, kept.reason, kept.prior_version, kept.ask) == (True, "", 1, 0)
    assert (kept.users, kept.outcomes, kept.index) == (20, 60, False)
    assert kept.score >= kept.current_score - 1
    assert kept.seconds > 0
    assert kept.at.endswith("Z")


async def test_the_newest_hundred_are_kept_and_one_that_is_sent_again_is_kept_once(fits):
    for number in range(RECORDS_KEPT + 5):
        for _ in range(2):
            await fits.remember(TENANT, FitReply("now", number, published=True, reason=""))
    assert [each.prior_version for each in await fits.records(TENANT)] == list(range(RECORDS_KEPT + 4, 4, -1))
    assert await fits.records(OTHER) == []


# Rolled back


async def published(facts, refit, versions):
    """Priors 1 to `versions`, each fitted."""
    for number in range(versions):
        users = range(number * 40, number * 40 + 20)
        await taught(facts, users=users)
        refit._watched.clear()
        assert await refit.look(0.0) == 1
    return [await facts.prior(TAG, version) for version in range(1, versions + 1)]


async def test_an_earlier_prior_stands_again_as_a_new_version(facts, fits, refit, operator, store):
    await published(facts, refit, 2)
    reply = await operator.rollback(TENANT, 1)
    assert (reply.done, reply.prior_version, reply.restored) == (True, 3, 1)
    assert reply.held_until == "POST /v1/admin/refit"
    priors = Priors(facts, RULING)
    await priors.refresh()
    standing = priors.of(TENANT)
    assert standing.version == 3
    first = prior_wire.decode(await facts.prior(TAG, 1))
    assert np.array_equal(standing.mean, first.mean)
    assert np.array_equal(standing.mean_draws, first.mean_draws)
    assert (await record(fits)).reason == "Rolled back to prior 1."
    assert await store.ask("PTTL", prior_blob(TAG, 2)) > 0, "what it replaces stays as long as the log"
    assert await store.ask("PTTL", prior_blob(TAG, 3)) == -1


async def test_no_fit_replaces_it_until_one_is_asked_for(facts, fits, refit, operator):
    await published(facts, refit, 2)
    await operator.rollback(TENANT, 1)
    await taught(facts, users=range(200, 300))
    assert await fits.held(TENANT)
    assert await refit.look(10 * AT_LEAST_EVERY_S) == 0
    await fits.ask(TENANT)
    assert await refit.look(10 * AT_LEAST_EVERY_S + 1) == 1
    assert await facts.prior_versions() == {TAG: 4}
    assert not await fits.held(TENANT)


async def test_the_shipped_prior_can_be_gone_back_to(facts, refit, operator):
    await published(facts, refit, 1)
    assert (await operator.rollback(TENANT, 0)).prior_version == 2
    assert prior_wire.decode(await facts.prior(TAG, 2)).rows == 0


async def test_a_prior_that_is_gone_or_none_yet_is_refused_and_nothing_changes(
    facts, fits, refit, operator, store
):
    await published(facts, refit, 2)
    await store.ask("DEL", prior_blob(TAG, 1))
    with pytest.raises(NotFound, match="Prior 1 is no longer kept"):
        await operator.rollback(TENANT, 1)
    for version in (2, 3, -1):
        with pytest.raises(InvalidParameter, match="must be earlier than 2, the prior in force"):
            await operator.rollback(TENANT, version)
    with pytest.raises(InvalidParameter):
        await operator.rollback(OTHER, 1)
    assert await facts.prior_versions() == {TAG: 2}
    assert not await fits.held(TENANT)


async def test_a_prior_that_cannot_be_read_or_is_of_other_options_is_refused(facts, refit, operator, store):
    await published(facts, refit, 2)
    await store.ask("SET", prior_blob(TAG, 1), b"damaged")
    with pytest.raises(NotFound, match="Prior 1 cannot be read"):
        await operator.rollback(TENANT, 1)
    paper = Approaches((Dimension("tone", "preferredTone", "toneConfidence", ("warm", "cold")),))
    other = prior_wire.encode(shipped(paper))
    await store.ask("SET", prior_blob(TAG, 1), other)
    with pytest.raises(InvalidParameter, match="a prior of other dimensions or options"):
        await operator.rollback(TENANT, 1)
    assert await facts.prior_versions() == {TAG: 2}


async def test_a_fit_that_is_under_way_during_a_rollback_does_not_undo_it(
    facts, fits, refit, operator, monkeypatch
):
    await published(facts, refit, 2)
    publish = facts.publish

    async def late(tenant, version, blob):
        await operator.rollback(tenant, 1)
        return await publish(tenant, version, blob)

    monkeypatch.setattr(facts, "publish", late)
    await taught(facts, users=range(80, 120))
    await fits.ask(TENANT)
    assert await refit.look(0.0) == 0
    assert (await record(fits)).reason == background.OVERTAKEN
    assert await facts.prior_versions() == {TAG: 3}


async def test_a_rollback_that_a_fit_overtakes_comes_after_it(facts, fits, refit, operator, monkeypatch):
    await published(facts, refit, 2)
    second = await facts.prior(TAG, 2)
    rollback, tries = fits.rollback, []

    async def overtaken(*arguments):
        tries.append(arguments)
        if len(tries) == 1:
            assert await facts.publish(TENANT, 3, second)
        return await rollback(*arguments)

    monkeypatch.setattr(fits, "rollback", overtaken)
    assert (await operator.rollback(TENANT, 1)).prior_version == 4
    assert len(tries) == 2


# Workers


async def test_a_worker_says_what_it_holds_when_it_changes_and_rarely_else(facts, fits, refit, worker, store):
    now_s = 0.0
    one = worker(lambda: now_s)
    await one.once()
    assert await fits.workers() == [{}]
    await published(facts, refit, 1)
    await one.once()
    assert await fits.workers() == [{TAG: 1}]
    await store.ask("DEL", WORKERS)
    await one.once()
    assert await fits.workers() == []
    now_s = HEARTBEAT_S
    await one.once()
    assert await fits.workers() == [{TAG: 1}]


async def test_a_silent_worker_is_gone_and_one_that_ends_says_so(fits, worker, store, now):
    await store.ask("HSET", WORKERS, "hung", f"{now - SILENT_MS - 1} {{}}")
    await store.ask("HSET", WORKERS, "dead", f"{now - 61_000} {{}}")
    keeping = asyncio.create_task(worker().keep())
    while not (there := await fits.workers()):
        pass
    assert there == [{}]
    known = await store.ask("HKEYS", WORKERS)
    assert b"hung" in known
    assert b"dead" not in known, "forgotten when another speaks"
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert await fits.workers() == []


async def test_a_refit_is_done_when_every_live_worker_has_it(facts, fits, refit, operator, worker):
    await taught(facts)
    one, two = worker(), worker()
    for each in (one, two):
        await each.once()
    asking = asyncio.create_task(operator.refit(TENANT, within_s=30))
    await asked(fits)
    assert await refit.look(0.0) == 1
    await one.once()
    await asyncio.sleep(2 * verbs.LOOK_EVERY_S)
    assert not asking.done()
    await two.once()
    reply = await asking
    assert (reply.done, reply.prior_version, reply.workers) == (True, 1, 2)


async def test_a_worker_that_never_gets_it_keeps_a_refit_from_being_done(
    facts, refit, operator, worker, monkeypatch
):
    fits = operator._fits
    await taught(facts)
    await worker().once()
    ask = await fits.ask(TENANT)
    await refit.look(0.0)
    monkeypatch.setattr(fits, "ask", lambda _: asyncio.sleep(0, ask))
    reply = await operator.refit(TENANT, within_s=0.0)
    assert (reply.done, reply.prior_version) == (False, 1)
    assert reply.fit.published


# Task names


async def test_the_names_of_task_types_are_collected_from_those_who_told_them(facts, fits, refit):
    await taught(facts, users=range(12), task_type="coding")
    await taught(facts, users=range(20, 22), task_type="writing")
    await taught(facts, users=[30], task_type="a secret of one")
    await taught(facts, users=range(40, 45))
    await refit.look(0.0)
    assert sorted((await fits.task_names(TENANT)).values()) == ["coding", "writing"]
    await facts.erase(TENANT, "user 20")
    await fits.ask(TENANT)
    await refit.look(1.0)
    assert list((await fits.task_names(TENANT)).values()) == ["coding"]


async def test_names_are_asked_for_once(facts, fits, refit, store):
    await taught(facts, users=range(12), task_type="coding")
    await refit.look(0.0)
    (told,) = await fits.task_names(TENANT)
    await store.ask("HSET", task_names(TAG), told, "as it was read")
    await fits.ask(TENANT)
    await refit.look(1.0)
    assert await fits.task_names(TENANT) == {told: "as it was read"}


async def test_the_shipped_prior_can_be_gone_back_to_with_an_option_paused(facts, fits, refit):
    """What is published is for the options of today, and every worker can read it."""
    await published(facts, refit, 1)
    first, *others = PUBLISHED.dimensions
    ruling = Policies(InForce(Policy(), Approaches((replace(first, closed=(3,)), *others))))
    reply = await Admin(facts, fits, policies=ruling).rollback(TENANT, 0)
    priors = Priors(facts, ruling)
    await priors.refresh()
    assert priors.of(TENANT).version == reply.prior_version == 2
