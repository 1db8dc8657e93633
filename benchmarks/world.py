"""Users with a past, keys and requests, all made the way the service makes them."""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random

import msgspec

from amp.clock import now_ms
from amp.learning import fit_store, rows
from amp.learning.approaches import PUBLISHED
from amp.learning.fit_store import FitStore
from amp.learning.policies import Policies, first
from amp.learning.refit import Refit
from amp.learning.rows import Decision
from amp.learning.store import LIBRARY, LearningStore
from amp.learning.token import IV_BYTES, Sealer
from amp.learning.types import Signals
from amp.learning.words import Report
from amp.settings import Settings
from amp.store.connection import Store, connect
from amp.store.functions import Functions
from amp.store.keeper import opened
from amp.store.keyring import Keyring, pepper
from amp.tenancy import DEFAULT_SCOPES, Tenant, tenant

TENANT = tenant("bench", "live")
TASK = "Refactor the billing module so that invoices can be drafted before the month has ended"
TASK_TYPES = ("coding", "debugging", "writing")
_PIPELINE = 500
_SECRET = "a secret of the benchmarks, long enough for keys"


@contextmanager
def durable_store(kept: Path | None = None) -> Generator[Settings]:
    """An embedded store that acknowledges what is on disk; settings with its address and a secret.

    It is empty and goes with the block, or lies in the folder `kept` and stays.
    """
    with ExitStack() as stack:
        folder = kept or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="amp-bench-")))
        yield stack.enter_context(opened(replace(Settings(), data=folder / "data", secret=_SECRET)))


@asynccontextmanager
async def facts(settings: Settings) -> AsyncGenerator[tuple[Store, LearningStore]]:
    """The store, and the room's way to it, with its functions loaded."""
    store = connect(settings.redis or "")
    functions = Functions(store, [LIBRARY])
    await functions.load()
    window_ms, retention_ms = settings.outcome_window_ms, settings.log_retention_ms
    yield store, LearningStore(store, functions, window_ms=window_ms, retention_ms=retention_ms)
    await store.close()


async def new_key(settings: Settings) -> str:
    """An API key with the default scopes."""
    store = connect(settings.redis or "")
    keyring = Keyring(store, pepper(settings.secret or ""))
    key, _ = await keyring.create(tenant=TENANT.name, env=TENANT.env, scopes=DEFAULT_SCOPES, expires_ms=None)
    await store.close()
    return key


def names(count: int) -> list[str]:
    """User ids."""
    return [f"user-{number:06}" for number in range(count)]


async def live_through(
    learned: LearningStore,
    owner: Tenant,
    users: Sequence[str],
    *,
    interactions: int,
    task_types: Sequence[str] = ("",),
) -> None:
    """Gives every user a history through the real function, users in turn as in life."""
    told = _reports(owner, users, interactions, task_types)
    pages = iter(lambda: list(islice(told, _PIPELINE)), [])
    # two at a time: the store works on one pipeline while the next is packed
    while pair := list(islice(pages, 2)):
        for verdicts in await asyncio.gather(*(learned.report(page) for page in pair)):
            if set(verdicts) != {"new"}:
                raise RuntimeError(f"an outcome was not stored: {set(verdicts)}")


def _reports(
    owner: Tenant, users: Sequence[str], interactions: int, task_types: Sequence[str]
) -> Iterator[Report]:
    rng, began_ms = Random(0), now_ms()
    for number in range(interactions):
        for user in users:
            task_type = rng.choice(task_types)
            row = random_row(rng, began_ms - (interactions - number) * 1000, task_type)
            yield Report(owner, user, row, rng.randbytes(8), task_type, b"")


async def teach(settings: Settings) -> None:
    """Fits the population prior once, as the service does in the background, and publishes it."""
    async with facts(settings) as (store, learned):
        keyring = Keyring(store, pepper(settings.secret or ""))
        fits = FitStore(store, Functions(store, [fit_store.LIBRARY]), retention_ms=settings.log_retention_ms)
        refit = Refit(learned, keyring, fits=fits, policies=Policies(first(settings)))
        if not await refit.look(time.monotonic()):
            raise RuntimeError("no prior was published: the service would run on the shipped one")


def random_row(rng: Random, decided_at_ms: int, task_type: str) -> bytes:
    """One packed interaction, every signal said; each task type goes best with one encouragement."""
    combination = rng.randrange(PUBLISHED.count)
    fits = PUBLISHED.options_of[combination, -1] == len(task_type) % PUBLISHED.sizes[-1]
    started = rng.random() < 0.8
    signals = Signals(
        started=started,
        completed=started and rng.random() < (0.9 if fits else 0.5),
        time_to_start_ms=rng.randrange(600_000),
        flow_state=rng.random() < 0.2,
        satisfaction=rng.random(),
    )
    decision = _decision(rng.getrandbits(64), decided_at_ms, task_type, combination)
    return rows.pack(decision, signals, fingerprint=rng.randbytes(6), final=True, step=0)


def _decision(nonce: int, decided_at_ms: int, task_type: str, combination: int) -> Decision:
    return Decision(
        nonce=nonce,
        decided_ms=decided_at_ms,
        combination=combination,
        task_hash=rows.task_hash(task_type),
        level=2,
        hour=decided_at_ms // 3_600_000 % 24,
        policy_version=1,
        prior_version=0,
    )


def context_bodies(users: Sequence[str]) -> list[bytes]:
    """One POST /v1/context for each user."""
    return [
        msgspec.json.encode({"userId": user, "task": TASK, "taskType": TASK_TYPES[0], "complexity": "medium"})
        for user in users
    ]


def outcome_bodies(settings: Settings, users: Sequence[str], count: int) -> list[bytes]:
    """POST /v1/outcome for fresh decisions, the users in turn."""
    return [
        msgspec.json.encode(
            {
                "requestId": request_id,
                "started": True,
                "completed": number % 3 > 0,
                "timeToStart": 12.5,
                "flowState": number % 5 == 0,
                "satisfaction": 0.75,
            }
        )
        for number, request_id in enumerate(request_ids(settings, users, count))
    ]


def request_ids(
    settings: Settings, users: Sequence[str], count: int, task_type: str = TASK_TYPES[0]
) -> Iterator[str]:
    """Ids as `/v1/context` gives them, the users in turn."""
    sealer, at_ms = Sealer((settings.secret or "").encode()), now_ms()
    for number in range(count):
        iv = os.urandom(IV_BYTES)
        nonce = int.from_bytes(iv[:8], "little")
        decision = _decision(nonce, at_ms, task_type, number % PUBLISHED.count)
        yield sealer.seal(TENANT, decision, users[number % len(users)], task_type, iv)
