"""The log read back: a decision is rebuilt to the bit, or it is said why it cannot be."""

import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs
from reports import DAY_MS, HOUR_MS, TENANT

from amp.errors import AmpError, StoreUnavailable
from amp.learning import prior_wire, rows, service
from amp.learning.approaches import PUBLISHED
from amp.learning.counting import Counting
from amp.learning.fit import fit
from amp.learning.insight_store import InsightStore
from amp.learning.journal import Journal
from amp.learning.policies import InForce, Policies
from amp.learning.priors import Priors
from amp.learning.replay import REASONS
from amp.learning.service import Learning
from amp.learning.token import Sealer
from amp.learning.types import Policy
from amp.learning.wire import ContextRequest, OutcomeReport
from amp.store.keys import BUCKETS, bucket_tag, prior_blob, user_keys
from amp.tenancy import Tenant

LIVE = Tenant("acme", "live")
POLICY = Policy(explore_floor=0.05, control_share=0.2)
SIGNALS = (
    {"started": False},
    {"started": True, "completed": False},
    {"started": True, "completed": True, "time_to_start": 60.0},
    {"started": True, "completed": True, "flow_state": True, "satisfaction": 0.9},
)


@pytest.fixture
def clock(monkeypatch):
    """The store's clock, in seconds, moved by the test."""

    class Clock:
        at = 1_800_000_000.0

        def forward(self, ms):
            self.at += ms / 1000

    moved = Clock()
    monkeypatch.setattr(time, "time", lambda: moved.at)
    return moved


class Service:
    """The real service on the store, and what each of its decisions looked at."""

    def __init__(self, store, facts, clock, monkeypatch, *, tenant=LIVE, policy=POLICY):
        self.store, self.facts, self.clock, self.tenant = store, facts, clock, tenant
        self.policies = Policies(InForce(policy, PUBLISHED))
        self.priors = Priors(facts, self.policies)
        self.sealer = Sealer(b"a secret of the tests")
        for deadline in (
            "DECIDE_WITHIN_S",
            "STORE_WITHIN_S",
        ):  # a busy machine must not degrade what is tested
            monkeypatch.setattr(service, deadline, 30.0)
        chance = np.random.default_rng(5)
        self.learning = Learning(
            facts,
            self.priors,
            self.sealer,
            policies=self.policies,
            counting=Counting(
                InsightStore(store, facts._functions, policies=self.policies, retention_ms=1), self.policies
            ),
            group_key=b"groups",
            clock=lambda: int(time.time() * 1000),
            random=chance.bytes,
        )
        self.asked, self.reported, self.pending = {}, {}, []
        choose = service.choose

        def seen(asks, *on):
            self.asked.update({ask.nonce: (ask, on[0]) for ask in asks})
            return choose(asks, *on)

        monkeypatch.setattr(service, "choose", seen)

    async def decide(self, user, **said):
        recommended = await self.learning.recommend(self.tenant, ContextRequest(user, "a task", **said))
        return recommended.reply.request_id

    async def report(self, request_id, **signals):
        decision, _, _ = self.sealer.open(self.tenant, request_id)
        try:
            await self.learning.report(self.tenant, OutcomeReport(request_id, **signals))
        except AmpError:
            return
        self.reported[decision.nonce] = decision.combination

    async def decides(self, user, rng):
        said = {"task_type": rng.choice(["", "coding"]) or None, "complexity": "high"}
        self.pending.append(await self.decide(user, **said))

    async def reports(self, _, rng):
        if not self.pending:
            return
        request_id = self.pending[rng.integers(len(self.pending)) if rng.random() < 0.3 else -1]
        staged = {"final": False, "step": int(rng.integers(3))} if rng.random() < 0.2 else {}
        await self.report(request_id, **SIGNALS[rng.integers(4)], **staged)
        if not staged:
            self.pending.remove(request_id)

    async def prefers(self, user, rng):
        option = None if rng.random() < 0.5 else int(rng.integers(4))
        changes, lock = {int(rng.integers(4)): option}, "on" if rng.random() < 0.3 else "off"
        await self.facts.prefer(
            self.tenant, user, alias=rng.bytes(8), changes=changes, lock=lock, metadata={}
        )

    async def erases(self, user, _):
        await self.facts.erase(self.tenant, user)

    async def fails(self, user, _):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(self.store, "ask_each", no_answer)
            self.pending.append(await self.decide(user))

    async def refit(self):
        """A fit of everybody, published whatever it is worth: a version more."""
        sampled = await self.facts.sample(self.tenant, await self.facts.known_users(self.tenant))
        histories = [rows.unpack(record.rows) for _, record in sampled if record.rows]
        current = self.priors.of(self.tenant)
        fitted = fit(histories, current, POLICY, PUBLISHED, np.random.default_rng(current.version)).prior
        fitted = replace(fitted, version=current.version + 1)
        await self.facts.publish(self.tenant, fitted.version, prior_wire.encode(fitted))
        await self.priors.refresh()

    async def entries(self, since_ms=0):
        self.clock.forward(1000)
        journal = Journal(self.store, self.facts, self.policies)
        return [
            entry
            for number in range(BUCKETS)
            async for entry in journal.entries(self.tenant, number, since_ms)
        ]

    def check(self, entries):
        """A decision with a propensity knew to the bit what was rebuilt, and may pick what was logged."""
        assert len({nonce(entry) for entry in entries}) == len(entries)
        for entry in entries:
            assert (entry.probabilities is None) == (entry.reason is not None)
            assert entry.reason is None or entry.reason in REASONS
            if entry.reason:
                continue
            ask, prior = self.asked[nonce(entry)]
            assert entry.ask.history.tobytes() == ask.history.tobytes()
            assert structs.replace(entry.ask, history=ask.history) == ask
            assert np.array_equal(entry.prior.mean_draws, prior.mean_draws)
            assert entry.probabilities.sum() == pytest.approx(1.0)
            assert entry.probabilities[int(entry.made.row["combination"][0])] > 0.0


def nonce(entry):
    return int(entry.made.row["nonce"][0])


def reasons(entries):
    return Counter(entry.reason for entry in entries)


@pytest.mark.parametrize(("seed", "besides"), [(1, []), (2, ["prior"])])
async def test_decisions_of_a_busy_day_are_rebuilt_to_the_bit_or_their_reason_is_said(  # noqa: PLR0917
    store, facts_with, clock, monkeypatch, seed, besides
):
    """Six users; late and staged reports, preferences, erasures, refits, outages, a log that drops events."""
    facts = facts_with(window_ms=DAY_MS // 24, retention_ms=3 * HOUR_MS)
    on, rng = Service(store, facts, clock, monkeypatch), np.random.default_rng(seed)
    acts = {on.decides: 0.485, on.reports: 0.5, on.prefers: 0.004, on.erases: 0.001, on.fails: 0.01}
    for step in range(1500):
        clock.forward(rng.choice([0, 1, 40, 3000, 30_000], p=[0.05, 0.05, 0.1, 0.4, 0.4]))
        await rng.choice(list(acts), p=list(acts.values()))(f"user {rng.integers(6)}", rng)
        if step % 250 == 249:
            await on.refit()
    entries = await on.entries()
    on.check(entries)
    found = reasons(entries)
    assert {"degraded", "erased", "preferences", "concurrent", "log", *besides} <= found.keys()
    assert "mismatch" not in found
    assert found[None] >= 150
    assert len({entry.made.versions[1] for entry in entries if not entry.reason}) > 3
    kept = {nonce(entry): int(entry.made.row["combination"][0]) for entry in entries}
    assert kept.items() <= on.reported.items()


async def no_answer(_):
    raise StoreUnavailable


async def test_a_quiet_log_that_dropped_nothing_is_rebuilt_whole(store, facts, clock, monkeypatch):
    on = Service(store, facts, clock, monkeypatch)
    for round_ in range(12):
        for user in range(20):
            clock.forward(500)
            request_id = await on.decide(f"user {user}")
            clock.forward(500)
            await on.report(request_id, **SIGNALS[(user + round_) % 4])
        if round_ in {4, 8}:
            await on.refit()
    entries = await on.entries()
    on.check(entries)
    assert len(entries) == len(on.reported) == 240
    assert reasons(entries) == {None: 240}
    assert {entry.made.versions[1] for entry in entries} == {0, 1, 2}
    later = int(clock.at * 1000) - 20_000
    assert {nonce(entry) for entry in await on.entries(later)} == {
        nonce(entry) for entry in entries if entry.made.decided_ms >= later
    }
    controls = [entry for entry in entries if entry.ask.control]
    assert {entry.probabilities[int(entry.made.row["combination"][0])] for entry in controls} == {1.0}


async def test_a_long_history_whose_oldest_rows_were_trimmed_is_rebuilt_while_the_log_has_them(
    store, facts_with, clock, monkeypatch
):
    facts = facts_with(retention_ms=30 * DAY_MS)
    on = Service(store, facts, clock, monkeypatch, policy=replace(POLICY, control_share=0.0))
    for round_ in range(640):
        clock.forward(60_000)
        await on.report(await on.decide("ada"), **SIGNALS[round_ % 4])
        clock.forward(1000)
    (record,) = (await facts.read([(LIVE, "ada")]))[1]
    assert record.trimmed > 0
    entries = await on.entries()
    on.check(entries)
    assert reasons(entries) == {None: 640}

    stream = user_keys(LIVE, "ada").events
    events = await store.ask("XRANGE", stream, "-", "+")
    await store.ask("XTRIM", stream, "MINID", "=", events[20][0])
    entries = await on.entries()
    on.check(entries)
    found = reasons(entries)
    assert found[None] == 640 - 20 - 512
    assert found["trimmed"] == 512


async def test_what_is_not_kept_any_more_or_not_known_here_has_its_reason(store, facts, clock, monkeypatch):
    on = Service(store, facts, clock, monkeypatch)
    for _ in range(3):
        for user in range(15):
            clock.forward(1000)
            await on.report(await on.decide(f"user {user}"), **SIGNALS[user % 4])
        await on.refit()
    assert reasons(await on.entries()) == {None: 45}

    await store.ask("DEL", prior_blob(LIVE.tag, 1))
    assert reasons(await on.entries()) == {None: 30, "prior": 15}

    await store.ask("SET", prior_blob(LIVE.tag, 1), b"damaged")
    assert reasons(await on.entries()) == {None: 30, "prior": 15}

    on.policies = Policies(InForce(replace(POLICY, version=2), PUBLISHED))
    assert reasons(await on.entries()) == {"policy": 45}


async def test_decisions_made_by_other_rules_are_not_judged_by_these(store, facts, clock, monkeypatch):
    """The same version number, but another temperature: whoever upgraded has such a log."""
    on = Service(store, facts, clock, monkeypatch, tenant=TENANT)
    for round_ in range(40):
        clock.forward(1000)
        await on.report(await on.decide("ada"), **SIGNALS[round_ % 4])
    on.policies = Policies(InForce(replace(POLICY, temperature=0.9), PUBLISHED))
    assert reasons(await on.entries()) == {"mismatch": 40}


async def test_an_empty_log_has_no_decisions(store, facts, clock, monkeypatch):
    on = Service(store, facts, clock, monkeypatch)
    assert await on.entries() == []
    assert sum(await Journal(store, facts, on.policies).sizes(LIVE, range(BUCKETS))) == 0
    assert await store.ask("EXISTS", bucket_tag(LIVE, 0) + b":events") == 0
