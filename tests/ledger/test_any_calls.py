"""Whatever is made, metered, reported and amended in any order: the store holds what a plain model holds."""

import asyncio
from collections import Counter, defaultdict
from decimal import Decimal
from types import SimpleNamespace

import msgspec
from calls import TENANT, everything
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from amp.errors import (
    AmpError,
    IdempotencyKeyMismatch,
    JobExists,
    NotFound,
    OutcomeAlreadyReported,
    OutcomeNotReported,
    VersionConflict,
)
from amp.ledger import entries, money
from amp.ledger import store as ledger_store
from amp.ledger.appending import Appender
from amp.ledger.audit_store import AuditStore
from amp.ledger.entries import Completion, ToolEvent, unpack
from amp.ledger.heads import Evidence
from amp.ledger.intake import Intake
from amp.ledger.job import read_job, read_state
from amp.ledger.jobs import Jobs
from amp.ledger.once import Once
from amp.ledger.service import Ledger
from amp.ledger.side import read_side
from amp.ledger.store import LedgerStore
from amp.ledger.types import Decided
from amp.ledger.verify import Verifier
from amp.ledger.wire import CompletionRequest, JobRequest, OutcomeRequest, ToolRequest
from amp.store.connection import connect
from amp.store.functions import Functions
from amp.tenancy import Access

ACCESS = Access("key", TENANT, frozenset({"ledger"}))
JOBS = st.sampled_from(["one", "two", "three"])
SOME_TEXT = st.sampled_from([None, None, "a", "b"])
COSTS = st.sampled_from([None, "0", "0.1", "0.000000001", "0.999999999", "1000000000000"]).map(
    lambda text: text and Decimal(text)
)
STICKY = ("name", "type", "version", "environment", "agent", "approach", "group", "squad")
COORDINATES = {
    "type": entries.TYPE,
    "environment": entries.ENVIRONMENT,
    "agent": entries.AGENT,
    "approach": entries.DECISION,
    "squad": entries.SQUAD,
}


def decisions(_, request_id):
    return Decided(f"approach {request_id}", "learned") if request_id != "forged" else None


class ModelJob:
    """What is known of a job, said plainly."""

    def __init__(self):
        self.said = {}
        self.costs = defaultdict(int)
        self.counts = Counter()
        self.outcomes = []
        self.metrics = 0

    def say(self, **said):
        """Whether a coordinate is new."""
        fresh = {name: value for name, value in said.items() if value is not None and name not in self.said}
        self.said |= fresh
        return any(name in COORDINATES for name in fresh)

    def state(self):
        force = self.outcomes[-1] if self.outcomes else (None,) * 4
        return force, dict(self.costs), {name: count for name, count in self.counts.items() if count}


def told(state):
    """A state as the model says it."""
    names = ("completions", "tool_events", "unpriced_completions", "unpriced_tool_events")
    counts = {
        name: getattr(state, name) for name in (*names, "input_tokens", "output_tokens", "total_tokens")
    }
    force = (state.status, state.outcome, state.value_nanos, state.currency)
    return force, state.cost_nanos, {name: count for name, count in counts.items() if count}


class Course(RuleBasedStateMachine):
    """A few jobs, two workers on one store, a clock that goes on."""

    url = ""

    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()
        self.now = 1_800_000_000_000
        self.model = {}
        self.seen = {}
        self.sides = []

    @initialize()
    def open(self):
        self.store = connect(self.url)
        functions = Functions(self.store, [ledger_store.LIBRARY])
        self.runner.run(self.store.ask("FLUSHALL"))
        self.runner.run(functions.load())
        self.facts = LedgerStore(self.store, functions)
        self.heads = {}
        self.workers = [self.worker(), self.worker()]

    def worker(self):
        jobs, appender = Jobs(self.facts), Appender(self.facts, self.hear)
        common = {"decisions": decisions, "clock": lambda: self.now}
        return SimpleNamespace(
            jobs=jobs,
            intake=Intake(appender, random=lambda _: self.fail(), **common),
            ledger=Ledger(appender, jobs, **common),
        )

    def fail(self):
        raise AssertionError("every record has an id here")

    def hear(self, _, bucket, head):
        self.heads[bucket] = head

    def teardown(self):
        if hasattr(self, "store"):
            self.nothing_is_wrong()
            self.runner.run(self.store.close())
        self.runner.close()

    def nothing_is_wrong(self):
        """`amp ledger verify` finds that every job is what its entries say, whatever it went through."""
        walk = Verifier(AuditStore(self.store), TENANT, Evidence(), lambda _: None).walk()
        assert self.runner.run(walk).findings == []

    def outcome_of(self, call):
        """The answer, or the class of the refusal."""
        self.now += 7
        try:
            return self.runner.run(call)
        except AmpError as error:
            return type(error)

    def appended(self, job, made, moved, before, reports=False):
        """Notes what the side data of the new entry must be."""
        decided, reported = "approach" in self.model[job].said, before[0][0] is not None
        told_before = not made and (moved or decided or reported or reports)
        self.sides.append((job, made, before if told_before else None))

    @rule(
        worker=st.integers(0, 1),
        job=JOBS,
        name=SOME_TEXT,
        kind=SOME_TEXT,
        environment=SOME_TEXT,
        decision=SOME_TEXT,
    )
    def create(self, *, worker, job, name, kind, environment, decision):
        request = JobRequest(job, name, kind, None, environment, amp_request_id=decision)
        answer = self.outcome_of(self.workers[worker].ledger.create(ACCESS, request))
        made = job not in self.model
        known = self.model.setdefault(job, ModelJob())
        before, had = known.state(), dict(known.said)
        moved = known.say(name=name, type=kind, environment=environment, **self.decided(decision))
        if made or known.said != had:
            self.appended(job, made, moved, before)
        assert (answer is JobExists) == (not made)

    def decided(self, decision):
        return {"approach": f"approach {decision}", "group": "learned"} if decision else {}

    @rule(
        worker=st.integers(0, 1),
        job=st.one_of(JOBS, st.none()),
        call=st.sampled_from("ct"),
        transaction=st.sampled_from("uvwxyz"),
        key=st.sampled_from([None, None, "k", "l"]),
        cost=COSTS,
        kind=SOME_TEXT,
        agent=SOME_TEXT,
        squad=SOME_TEXT,
        decision=st.sampled_from([None, None, None, "a", "forged"]),
    )
    def meter(self, *, worker, job, call, transaction, key, cost, kind, agent, squad, decision):
        common = {
            "transaction_id": transaction,
            "agentic_job_id": job,
            "agent": agent,
            "squad_id": squad,
            "amp_request_id": decision,
        }
        if call == "c":
            request = CompletionRequest(
                model="m", provider="p", input_token_count=3, output_token_count=4, total_cost=cost,
                agentic_job_type=kind, **common,
            )  # fmt: skip
        else:
            request = ToolRequest(tool_id="human_x", cost_usd=cost, agentic_job_type=kind, **common)
        body = msgspec.json.encode(request)
        answer = self.outcome_of(self.workers[worker].intake.meter(ACCESS, request, Once(key, body)))
        place = job or f"none {transaction}"
        if key and (place, key) in self.seen:
            assert (answer is IdempotencyKeyMismatch) == (self.seen[place, key] != call + str(body))
            return
        assert answer.replayed == ((place, call, transaction) in self.seen)
        if not answer.replayed:
            self.seen[place, call, transaction] = True
            if key:
                self.seen[place, key] = call + str(body)
            decision = decision if decision != "forged" else None
            self.count(job or "", call, cost, type=kind, agent=agent, squad=squad, **self.decided(decision))

    def count(self, job, call, cost, **said):
        made = job not in self.model
        known = self.model.setdefault(job, ModelJob())
        before = known.state()
        moved = known.say(**said) if job else False
        self.appended(job, made and bool(job), moved, before)
        known.counts["completions" if call == "c" else "tool_events"] += 1
        if cost is None:
            known.counts["unpriced_completions" if call == "c" else "unpriced_tool_events"] += 1
        else:
            known.costs["model" if call == "c" else "human", "USD"] += money.nanos(cost)
        if call == "c":
            known.counts += Counter(input_tokens=3, output_tokens=4, total_tokens=7)

    @rule(
        worker=st.integers(0, 1),
        job=JOBS,
        status=st.sampled_from(["SUCCESS", "FAILED"]),
        value=COSTS,
        decision=st.sampled_from([None, "a"]),
    )
    def report(self, *, worker, job, status, value, decision):
        metadata = f'{{"requestId": "{decision}"}}' if decision else None
        request = OutcomeRequest(status, "CUSTOM", value, "EUR", metadata)
        answer = self.outcome_of(self.workers[worker].ledger.report(ACCESS, job, request))
        known = self.model.get(job)
        if known is None or known.outcomes:
            assert answer is (NotFound if known is None else OutcomeAlreadyReported)
            return
        before, moved = known.state(), known.say(**self.decided(decision))
        self.appended(job, made=False, moved=moved, before=before, reports=True)
        known.outcomes.append(
            (status, "CUSTOM", money.nanos(value), "EUR")
            if value is not None
            else (status, "CUSTOM", None, None)
        )

    @rule(
        worker=st.integers(0, 1),
        job=JOBS,
        status=st.sampled_from([None, "SUCCESS", "CANCELLED"]),
        value=COSTS,
        reason=st.sampled_from([None, "typo"]),
        expected=st.sampled_from([None, None, 1, 2]),
    )
    def amend(self, *, worker, job, status, value, reason, expected):
        request = OutcomeRequest(status, None, value, reason=reason, expected_entity_version=expected)
        known = self.model.get(job)
        had = len(self.sides)
        answer = self.outcome_of(self.workers[worker].ledger.amend(ACCESS, job, request))
        if known is None or not known.outcomes:
            assert answer is (NotFound if known is None else OutcomeNotReported)
        elif expected not in {None, len(known.outcomes)}:
            assert answer is VersionConflict
        else:
            self.amended(job, known, status, value, answer)
        assert len(self.sides) - had in {0, 1}

    def amended(self, job, known, status, value, answer):
        old = known.outcomes[-1]
        new = money.nanos(value) if value is not None else old[2]
        currency = None if new is None else old[3] or "USD"
        before = known.state()
        if answer.entity_version == len(known.outcomes):  # it was said before: nothing is added
            assert (status or old[0], new) == (old[0], old[2])
            return
        self.appended(job, made=False, moved=False, before=before)
        known.outcomes.append((status or old[0], old[1], new, currency))

    @rule(worker=st.integers(0, 1), job=JOBS)
    def add_metrics(self, worker, job):
        body = b'[{"key": "quality", "value": 0.5}]'
        answer = self.outcome_of(self.workers[worker].ledger.add_metrics(ACCESS, job, Once(None, body)))
        known = self.model.get(job)
        assert answer is (NotFound if known is None else None)
        if known:
            self.appended(job, made=False, moved=False, before=known.state())
            known.metrics += 1

    @rule(worker=st.integers(0, 1))
    def restart(self, worker):
        self.workers[worker] = self.worker()

    @invariant()
    def the_jobs_are_the_models(self):
        names = ["one", "two", "three"]
        hashes = self.runner.run(self.facts.jobs(TENANT, names))
        for name, found in zip(names, hashes, strict=True):
            job, known = read_job(name, found), self.model.get(name)
            assert (job is None) == (known is None)
            if job:
                assert {each: getattr(job, each) for each in STICKY if getattr(job, each)} == known.said
                assert told(job.state) == known.state()
                assert (len(job.outcomes), len(job.metrics)) == (len(known.outcomes), known.metrics)

    @invariant()
    def the_entries_say_it_all_again(self):
        """Every chain is whole; each job's sums are those of its entries; side data is what stood before."""
        stored = self.runner.run(everything(self.facts))
        read = [(unpack(each.entry), read_side(each.side)) for _, each in stored]
        assert len(read) == len(self.sides)
        assert {bucket: each.link for bucket, each in stored} == {
            bucket: head.link for bucket, head in self.heads.items()
        }
        by_job = defaultdict(list)
        for entry, side in read:
            by_job[entry.job].append((entry, side))
        for job, known in self.model.items():
            self.check(by_job[job], [each for each in self.sides if each[0] == job], known)

    def check(self, found, expected, known):
        sums = defaultdict(int)
        for (_, side), (job, made, before) in zip(found, expected, strict=True) if found[0][0].job else []:
            assert side.has(entries.MADE) == made, job
            assert side.has(entries.BEFORE) == (before is not None)
            assert before is None or told(read_state(side.before)) == before
        for entry, _ in found:
            if isinstance(entry, Completion | ToolEvent) and entry.cost_nanos is not None:
                sums["model" if isinstance(entry, Completion) else "human", entry.currency] += (
                    entry.cost_nanos
                )
        assert dict(sums) == dict(known.costs)
        last = found[-1][1]
        if found[0][0].job:
            assert {
                name for name, flag in COORDINATES.items() if last.has(flag)
            } == COORDINATES.keys() & known.said.keys()


def test_any_course_ends_as_the_model_does(real_url):
    run_state_machine_as_test(
        type("OnThisServer", (Course,), {"url": real_url}),
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
