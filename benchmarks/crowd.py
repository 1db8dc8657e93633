"""A tenant that has lived: users of both groups with their histories, jobs, and graded sessions.

Everything is written by the functions, and counted by the classes, that the service writes and counts with.
Users and jobs are seeded by a process each: what a report takes is shared by the store and by who packs it.
"""

import asyncio
import json
import multiprocessing
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from random import Random
from typing import Any, TypeVar

from amp.clock import now_ms
from amp.errors import StoreUnavailable
from amp.grading import loop
from amp.grading.ids import new_id, now_us
from amp.grading.lanes import Lanes
from amp.grading.receiving import received
from amp.grading.store import SessionStore
from amp.grading.types import Change, Head, Pen, Session, State
from amp.learning import rows
from amp.learning.approaches import PUBLISHED
from amp.learning.counting import Counting
from amp.learning.fit_store import FitStore
from amp.learning.groups import is_control
from amp.learning.insight_store import InsightStore
from amp.learning.measure import Measure, group_key
from amp.learning.policies import Policies, first
from amp.learning.recent import USERS_MAX, Recent
from amp.learning.refit import Refit
from amp.learning.rows import Decision
from amp.learning.store import LearningStore
from amp.learning.types import Signals
from amp.learning.user_store import UserStore
from amp.learning.words import Report
from amp.rooms import LIBRARIES
from amp.settings import Settings
from amp.store.connection import Store, connect
from amp.store.functions import Functions
from amp.store.keyring import Keyring, pepper
from benchmarks import ledger_report, world

TASK_TYPES = ("coding", "debugging", "writing", "research", "data analysis", "planning")
ITERATIONS = 3
SESSIONS_AT_ONCE = 100
USUAL, FEW, MANY = (1, 5), (6, 60), (200, 500)
"""Interactions of most users, of one in fifty, and of one in a thousand."""
UNREPORTED = 0.2
"""Decisions that nobody reports; only counts tell of them."""
_PIPELINE = 500
_WITHIN = 0.9
"""Part of the outcome window in which all was decided, so that the last report is in time too."""
_TOLD_EVERY_S = 0.5
_AGAIN, _PAUSE_S = 60, 1.0
_AGENT = {"id": "agent_1", "type": "agent", "name": "writer", "version": 1, "model": {"id": "script"}}
_RUBRIC = "\n".join(f"- It says {number}" for number in range(10))

Answer = TypeVar("Answer")
Told = Callable[[str, int], None]
"""Hears what is seeded, and how many of it are there."""

spawn = multiprocessing.get_context("spawn")


class Count:
    """How far another process is."""

    def __init__(self) -> None:
        self._value: Any = spawn.Value("Q", 0)

    def now(self) -> int:
        """The last that was told."""
        return int(self._value.value)

    def tell(self, number: int) -> None:
        """It is so far."""
        self._value.value = number


def interactions(users: int) -> Iterator[int]:
    """How many each user has."""
    rng = Random(1)
    for _ in range(users):
        luck = rng.random()
        yield rng.randint(*(MANY if luck < 0.001 else FEW if luck < 0.021 else USUAL))


def user_name(number: int) -> str:
    """A user's id."""
    return f"user-{number:07}"


def session_name(number: int) -> str:
    """A session's title."""
    return f"Report {number}"


def seed(settings: Settings, *, users: int, jobs: int, sessions: int, told: Told) -> None:
    """Fills the store; until all is there it acknowledges before the disk does, and then no more."""
    asyncio.run(_durable(settings, "everysec"))
    counts = {"users": Count(), "entries": Count()}
    work = [(_users, (settings, users, counts["users"])), (_jobs, (settings, jobs, counts["entries"]))]
    processes = [spawn.Process(target=each, args=given, daemon=True) for each, given in work]
    for process in processes:
        process.start()
    try:
        while any(process.is_alive() for process in processes):
            time.sleep(_TOLD_EVERY_S)
            for what, count in counts.items():
                told(what, count.now())
            if any(process.exitcode for process in processes):
                raise RuntimeError("seeding failed; what it said stands above")
    finally:
        for process in processes:
            process.kill()
            process.join()
    if any(process.exitcode for process in processes):
        raise RuntimeError("seeding failed; what it said stands above")
    asyncio.run(_sessions(settings, sessions, told))
    asyncio.run(_durable(settings, "always"))


async def _durable(settings: Settings, mode: str) -> None:
    """From now on; a rewrite of the log that goes on is waited for, so that it is in nobody's figures."""
    store = connect(settings.redis or "")
    await store.ask("CONFIG", "SET", "appendfsync", mode)
    while b"aof_rewrite_in_progress:1" in await store.ask("INFO", "persistence"):  # noqa: ASYNC110  another's
        await asyncio.sleep(_TOLD_EVERY_S)
    await store.close()


@asynccontextmanager
async def opened(settings: Settings) -> AsyncGenerator[tuple[Store, Functions]]:
    """The store with the functions of all rooms."""
    store = connect(settings.redis or "")
    functions = Functions(store, LIBRARIES)
    await functions.load()
    try:
        yield store, functions
    finally:
        await store.close()


def _users(settings: Settings, users: int, count: Count) -> None:
    asyncio.run(_live(settings, users, count))


async def _live(settings: Settings, users: int, count: Count) -> None:
    policies = Policies(first(settings))
    async with opened(settings) as (store, functions):
        facts = LearningStore.of(settings, store, functions)
        counting = Counting(InsightStore.of(settings, store, functions, policies), policies)
        recent = Recent(UserStore(store, functions))
        done, told = 0, _reports(settings, users, counting)
        pages = iter(lambda: list(islice(told, _PIPELINE)), [])
        # two at a time: the store works on one pipeline while the next is packed
        while pair := list(islice(pages, 2)):
            await asyncio.gather(*(_stored(facts, page) for page in pair))
            done += sum(map(len, pair))
            count.tell(done)
            for report in pair[-1][-USERS_MAX:]:
                recent.heard(world.TENANT, report.user)
        await counting.flush()
        await recent.flush()


async def _stored(facts: LearningStore, page: Sequence[Report]) -> None:
    """All of them, once: what is sent again after a silence of the store is a replay."""
    verdicts = set(await patiently(lambda: facts.report(page)))
    if not verdicts <= {"new", "replay"}:
        raise RuntimeError(f"an outcome was not stored: {verdicts}")


async def patiently(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer, asked again when the store is silent: it may be long at rewriting its log."""
    for _ in range(_AGAIN):
        try:
            return await ask()
        except StoreUnavailable:
            await asyncio.sleep(_PAUSE_S)
    return await ask()


def reports_of(users: int) -> int:
    """How many outcomes that many users report."""
    return sum(interactions(users))


def _reports(settings: Settings, users: int, counting: Counting) -> Iterator[Report]:
    """Users one after the other, each through all of the time: what is stored of one says when it was."""
    rng, policy = Random(0), first(settings).policy
    span_ms = int(policy.outcome_window_ms * _WITHIN)
    key, began_ms = group_key(settings.secret or ""), now_ms() - span_ms
    for number, times in enumerate(interactions(users)):
        user = user_name(number)
        control = is_control(world.TENANT, user, policy.control_share, key)
        for at_ms in sorted(rng.randrange(span_ms // 2) for _ in range(times)):
            task_type = rng.choice(TASK_TYPES)
            decision = _decision(rng, began_ms + at_ms, task_type, control=control)
            counting.decided(world.TENANT, decision)
            counting.reported(world.TENANT, decision)
            if rng.random() < UNREPORTED:
                counting.decided(world.TENANT, _decision(rng, began_ms + at_ms, task_type, control=control))
            row = rows.pack(
                decision, _signals(rng, decision), fingerprint=rng.randbytes(6), final=True, step=0
            )
            yield Report(world.TENANT, user, row, rng.randbytes(8), task_type, b"")


def _decision(rng: Random, decided_ms: int, task_type: str, *, control: bool) -> Decision:
    return Decision(
        nonce=rng.getrandbits(64),
        decided_ms=decided_ms,
        combination=0 if control else rng.randrange(PUBLISHED.count),
        task_hash=rows.task_hash(task_type),
        level=rng.randrange(4),
        hour=decided_ms // 3_600_000 % 24,
        policy_version=1,
        prior_version=0,
        control=control,
    )


def _signals(rng: Random, decision: Decision) -> Signals:
    """Each task type goes best with one encouragement."""
    fits = PUBLISHED.options_of[decision.combination, -1] == decision.task_hash % PUBLISHED.sizes[-1]
    started = rng.random() < 0.8
    return Signals(
        started=started,
        completed=started and rng.random() < (0.9 if fits else 0.5),
        time_to_start_ms=1000 + rng.randrange(600_000),
        flow_state=rng.random() < 0.2,
        satisfaction=rng.random(),
    )


def _jobs(settings: Settings, jobs: int, count: Count) -> None:
    asyncio.run(_work(settings, jobs, count))


async def _work(settings: Settings, jobs: int, count: Count) -> None:
    """Jobs, and the sums that reports come from."""
    room = await ledger_report.room_of(settings)
    try:
        await ledger_report.seed(room, jobs, count.tell)
        await ledger_report.folded(room.reports())
    finally:
        await room.store.close()


async def _sessions(settings: Settings, sessions: int, told: Told) -> None:
    """Scripted ones that do not wait; some begin, and the loop brings them to their ends."""
    loops = replace(settings, grading_scripts=1)
    async with (
        opened(settings) as (store, functions),
        opened(settings) as (own, _),
        loop.client(loops) as http,
    ):
        facts, lanes = SessionStore(store, functions), Lanes(store)
        running = asyncio.ensure_future(loop.runner(loops, own, http).run())
        for start in range(0, sessions, SESSIONS_AT_ONCE):
            some = range(start, min(start + SESSIONS_AT_ONCE, sessions))
            names = [await patiently(partial(_begun, facts, lanes, number)) for number in some]
            while not all(  # noqa: ASYNC110  asked as a client would
                each and each.state.status == "idle"
                for each in await patiently(partial(facts.load_all, world.TENANT, names))
            ):
                await asyncio.sleep(0.1)
            told("sessions", some.stop)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _begun(facts: SessionStore, lanes: Lanes, number: int) -> str:
    verdicts = ["needs_revision"] * (ITERATIONS - 1) + ["satisfied" if number % 3 else "failed"]
    script = json.dumps([{"v": verdicts, "a": 0, "g": 0, "h": 5}])
    name, at_us = new_id("sesn"), now_us()
    metadata = {"outcome_script": script}
    head = Head(name, _AGENT, "env_1", at_us, at_us, title=session_name(number), metadata=metadata)
    outcome = {
        "type": "user.define_outcome",
        "description": "Write a report",
        "rubric": {"type": "text", "content": _RUBRIC},
        "max_iterations": ITERATIONS,
    }
    change, _ = received(Session(0, 0, head, State()), [outcome], Pen(0, 0, at_us, new_id))
    await facts.create(world.TENANT, Change(*change[:3], head=head), secrets.token_hex(4))
    await lanes.wake(world.TENANT.tag, name)
    return name


async def learn(settings: Settings) -> None:
    """Fits and measures once, as the process beside the workers does."""
    async with opened(settings) as (store, functions):
        policies = Policies(first(settings))
        facts = LearningStore.of(settings, store, functions)
        fits = FitStore(store, functions, retention_ms=settings.log_retention_ms)
        keyring = Keyring(store, pepper(settings.secret or ""))
        if not await Refit(facts, keyring, fits=fits, policies=policies).look(time.monotonic()):
            raise RuntimeError("no prior was published: the service would run on the shipped one")
        insights = InsightStore.of(settings, store, functions, policies)
        measure = Measure(facts, insights, policies=policies, key=group_key(settings.secret or ""))
        if not await measure.attend(world.TENANT, time.monotonic()):
            raise RuntimeError("nothing was measured: what the Overview shows would be nothing")
