"""The background fit: who leads, what starts a fit, and that one tenant's trouble is nobody else's."""

import asyncio
import logging
from dataclasses import replace

import numpy as np
import pytest
from reports import COMPLETED, HOUR_MS, NEVER, TENANT, report

from amp.errors import StoreUnavailable
from amp.learning import prior, prior_wire
from amp.learning.amend import PolicyChange, WeightsSaid, amended
from amp.learning.approaches import PUBLISHED, Approaches, Dimension
from amp.learning.document import encode, first
from amp.learning.policies import InForce, Policies
from amp.learning.policy_store import PolicyStore
from amp.learning.priors import Priors
from amp.learning.refit import FIRST_AT, LOOK_AT_LEAST_EVERY_S, TRIM_EVERY_S, Refit
from amp.learning.types import Policy
from amp.store.keyring import Keyring, pepper
from amp.store.keys import PRIOR_VERSIONS, REFIT_LEASE, bucket_tag, prior_blob, prior_version, user_keys
from amp.tenancy import Tenant

OTHER = Tenant("zoo", "test")


@pytest.fixture
async def refit(facts, fits, store):
    """One that looks after "acme" and "zoo"."""
    keyring = Keyring(store, pepper("a secret of thirty-two characters or more"))
    for owner in (TENANT, OTHER):
        await keyring.create(tenant=owner.name, env=owner.env, scopes=("context",), expires_ms=None)
    ruling = Policies(InForce(Policy(), PUBLISHED))
    return Refit(facts, keyring, fits=fits, policies=ruling)


async def taught(facts, now, tenant, users=20):
    """Three outcomes of each user, mostly good."""
    rng = np.random.default_rng(1)
    reports = [
        report(user * 10 + nth, now - HOUR_MS + nth, COMPLETED if rng.random() < 0.8 else NEVER)._replace(
            tenant=tenant, user=f"user {user}"
        )
        for user in range(users)
        for nth in range(1, 4)
    ]
    assert set(await facts.report(reports)) == {"new"}


async def test_tenants_with_enough_outcomes_get_a_prior_and_no_second_one_for_the_same(facts, refit, now):
    await taught(facts, now, TENANT)
    assert await refit.look(0.0) == 1
    assert await facts.prior_versions() == {"acme:test": 1}
    assert await refit.look(LOOK_AT_LEAST_EVERY_S) == 0


async def test_other_weights_are_fitted_at_the_next_look_though_no_outcome_came(
    facts, store, functions, refit, now
):
    documents = PolicyStore(store, functions)
    refit._policies._store = documents
    await taught(facts, now, TENANT)
    assert await refit.look(0.0) == 1
    change = PolicyChange(weights=WeightsSaid(completed=1.0))
    changed = amended(first(Policy()), change, now)
    assert await documents.publish(TENANT, changed.version, encode(changed))
    assert await refit.look(LOOK_AT_LEAST_EVERY_S) == 1
    assert await facts.prior_versions() == {"acme:test": 2}
    assert await refit.look(2 * LOOK_AT_LEAST_EVERY_S) == 0


async def test_preferences_start_no_fit(facts, refit, now):
    await taught(facts, now, TENANT, users=(FIRST_AT - 1) // 3)
    for user in range(60):
        await facts.prefer(TENANT, f"{user}", alias=b"8 bytes.", changes={0: 1}, lock="keep", metadata={})
    assert await facts.outcomes(TENANT) == (FIRST_AT - 1) // 3 * 3
    assert await refit.look(0.0) == 0


@pytest.mark.parametrize(
    "damage",
    [b"cut", bytes(range(1, 49)) + b"half a row", bytes(range(1, 49)) + b"\xff" * 48],
    ids=["cut short", "half a row", "no such approach"],
)
async def test_a_record_that_cannot_be_read_is_left_out_and_said(facts, refit, store, caplog, damage):
    now, _ = await facts.read([])
    await taught(facts, now, TENANT)
    await store.ask("SET", user_keys(TENANT, "user 3").record, damage)
    assert await refit.look(0.0) == 1
    assert "1 of 20 records of acme:test cannot be read" in caplog.text
    assert "user 3" not in caplog.text


async def test_a_damaged_record_fails_for_its_own_user_alone(facts, store, now):
    await taught(facts, now, TENANT, users=2)
    await store.ask("SET", user_keys(TENANT, "user 1").record, b"cut")
    _, records = await facts.read([(TENANT, "user 0"), (TENANT, "user 1")])
    assert [len(record.rows) for record in records] == [3 * 48, 3]


async def test_a_tenant_whose_fit_fails_stops_no_other_and_is_tried_again_later(
    facts, refit, store, now, caplog
):
    for tenant in (TENANT, OTHER):
        await taught(facts, now, tenant)
    await store.ask("SET", bucket_tag(TENANT, 0) + b":users", b"not a set")
    assert await refit.look(0.0) == 1
    assert await facts.prior_versions() == {"zoo:test": 1}
    assert "The fit of acme:test failed" in caplog.text
    await store.ask("DEL", bucket_tag(TENANT, 0) + b":users")
    assert await refit.look(LOOK_AT_LEAST_EVERY_S - 1) == 0
    assert await refit.look(LOOK_AT_LEAST_EVERY_S) == 1


async def test_a_fit_that_does_not_invert_stops_no_other(facts, refit, now, monkeypatch):
    for tenant in (TENANT, OTHER):
        await taught(facts, now, tenant)
    real, calls = np.linalg.inv, []

    def singular_once(matrix):
        calls.append(matrix)
        if len(calls) == 1:
            raise np.linalg.LinAlgError("Singular matrix")
        return real(matrix)

    monkeypatch.setattr(np.linalg, "inv", singular_once)
    assert await refit.look(0.0) == 1
    assert await facts.prior_versions() == {"zoo:test": 1}


async def test_who_ends_gives_up_the_lease(refit, store):
    running = asyncio.create_task(refit.run())
    async with asyncio.timeout(5):
        while not await store.ask("EXISTS", REFIT_LEASE):
            pass
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not await store.ask("EXISTS", REFIT_LEASE)


async def test_the_lease_is_asked_for_again_before_each_tenant(facts, refit, now, monkeypatch):
    """So a look that outlasts it stops where another begins to lead."""
    for tenant in (TENANT, OTHER):
        await taught(facts, now, tenant)
    answers = iter([True, True, False])

    async def lease(_owner, _held_ms):
        return next(answers)

    monkeypatch.setattr(facts, "lease", lease)
    await refit._lead(0.0)
    assert await facts.prior_versions() == {"acme:test": 1}


# Publishing


async def test_of_two_that_publish_the_same_version_the_first_stands(facts, store):
    assert await facts.publish(TENANT, 1, b"first")
    assert not await facts.publish(TENANT, 1, b"second")
    assert not await facts.publish(TENANT, 3, b"from nowhere")
    assert await facts.prior("acme:test", 1) == b"first"
    assert await facts.publish(TENANT, 2, b"next")
    assert await facts.prior_versions() == {"acme:test": 2}
    assert await store.ask("PTTL", prior_blob("acme:test", 1)) > 0
    assert await store.ask("PTTL", prior_blob("acme:test", 2)) == -1


async def test_a_prior_whose_announcement_was_lost_is_announced_by_the_next_fit(facts, refit, store, now):
    """As when its publisher ended in between: the workers would wait for ever."""
    await taught(facts, now, TENANT)
    assert await refit.look(0.0) == 1
    await store.ask("DEL", PRIOR_VERSIONS)
    assert not await facts.publish(TENANT, 1, b"a leader that starts anew")
    priors = Priors(facts, Policies(InForce(Policy(), PUBLISHED)))
    await priors.refresh()
    assert priors.of(TENANT).version == 1


@pytest.mark.parametrize(
    "damage", [b"damaged", None, "another"], ids=["damaged", "gone", "of other dimensions"]
)
@pytest.mark.parametrize("afresh", [True, False], ids=["by a new leader", "by the one that made it"])
async def test_a_standing_prior_that_cannot_be_read_is_replaced_by_the_next_fit(
    *, facts, fits, refit, store, now, caplog, damage, afresh
):
    await taught(facts, now, TENANT)
    assert await refit.look(0.0) == 1
    if damage == "another":
        two = Dimension("tone", "preferredTone", "toneConfidence", ("warm", "dry"))
        damage = prior_wire.encode(replace(prior.shipped(Approaches((two,))), version=2))
    await store.ask("SET", prior_version("acme:test"), 2)
    await store.ask("HSET", PRIOR_VERSIONS, "acme:test", 2)
    if damage:
        await store.ask("SET", prior_blob("acme:test", 2), damage)
    if afresh:
        refit = Refit(facts, refit._keyring, fits=fits, policies=refit._policies)
    ask = await fits.ask(TENANT)
    assert await refit.look(1.0) == 1
    assert await facts.prior_versions() == {"acme:test": 3}
    assert prior_wire.decode(await facts.prior("acme:test", 3)).version == 3
    told = await fits.served(TENANT)
    assert (told.ask, told.published, told.prior_version, told.users) == (ask, True, 3, 20)
    said = [record for record in caplog.records if "cannot be read" in record.message]
    assert [(each.exc_info, "\n" in each.message) for each in said] == [(None, False)]
    await fits.ask(TENANT)
    await refit.look(2.0)
    assert (await fits.served(TENANT)).current_score > told.current_score, "the one it made stands now"


# The log


async def test_events_past_the_retention_go_from_buckets_where_nothing_comes(facts, refit, store, now):
    stream = user_keys(TENANT, "ada").events
    for at_ms in (now - 31 * 24 * HOUR_MS, now - HOUR_MS):
        await store.ask("XADD", stream, f"{at_ms}-0", "a", b"8 bytes.")
    await refit.look(0.0)
    assert await store.ask("XLEN", stream) == 1
    assert await facts.outcomes(TENANT) == 2, "what was counted stays counted"
    old = f"{now - 31 * 24 * HOUR_MS}-0"
    await store.ask("DEL", stream)
    await store.ask("XADD", stream, old, "a", b"8 bytes.")
    await refit.look(TRIM_EVERY_S - 1)
    assert await store.ask("XLEN", stream) == 1
    await refit.look(TRIM_EVERY_S + LOOK_AT_LEAST_EVERY_S)
    assert await store.ask("XLEN", stream) == 0


async def test_without_the_store_a_turn_is_skipped(refit, facts, monkeypatch, caplog):
    """And the next one comes."""
    turns = asyncio.Queue()

    async def lease(_owner, _held_ms):
        turns.put_nowait(1)
        raise StoreUnavailable

    monkeypatch.setattr(facts, "lease", lease)
    monkeypatch.setattr("amp.learning.refit.LOOK_EVERY_S", 0.0)
    caplog.set_level(logging.DEBUG, "amp.learning.refit")
    running = asyncio.create_task(refit.run())
    async with asyncio.timeout(5):
        await turns.get()
        await turns.get()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert "does not answer" in caplog.text


# Frozen


FROZEN = Policy(mode="frozen", frozen_prior=1)


async def test_a_frozen_tenant_is_not_fitted_and_its_logs_are_still_trimmed(facts, refit, store, now):
    await taught(facts, now, TENANT)
    stream = user_keys(TENANT, "ada").events
    await store.ask("XADD", stream, f"{now - 31 * 24 * HOUR_MS}-0", "a", b"8 bytes.")
    refit._policies = Policies(InForce(FROZEN, PUBLISHED))
    assert await refit.look(0.0) == 0
    assert await store.ask("XLEN", stream) == 0
    refit._policies = Policies(InForce(Policy(), PUBLISHED))
    assert await refit.look(LOOK_AT_LEAST_EVERY_S) == 1


async def test_frozen_decisions_keep_the_prior_of_then_whatever_was_published_since(facts, refit, now):
    await taught(facts, now, TENANT)
    await refit.look(0.0)
    first = prior_wire.decode(await facts.prior("acme:test", 1))
    assert await facts.publish(TENANT, 2, prior_wire.encode(replace(first, version=2)))
    priors = Priors(facts, Policies(InForce(Policy(), PUBLISHED)))
    await priors.refresh()
    assert priors.of(TENANT, FROZEN).version == 2, "the newest stands in until the worker has it"
    await priors.refresh()
    assert priors.of(TENANT, FROZEN).version == 1
    assert priors.of(TENANT).version == 2
    assert priors.of(TENANT, Policy()).version == 2
    assert priors.of(TENANT, Policy(mode="frozen")).version == 2
    assert priors.of(TENANT, Policy(mode="frozen", frozen_prior=0)).version == 0
