"""Reports as the service would hand them to the store, and a user's history as a reader finds it."""

from hashlib import blake2b

from amp.learning import rows
from amp.learning.types import Signals
from amp.learning.words import Report
from amp.tenancy import Tenant

TENANT = Tenant("acme", "test")
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

STARTED = Signals(started=True)
COMPLETED = Signals(started=True, completed=True)
NEVER = Signals(started=False)


def report(
    nonce,
    decided_ms,
    signals=STARTED,
    *,
    user="ada",
    final=True,
    step=0,
    task_type="",
    hour=0,
    metadata=b"",
    alias=b"8 bytes.",
):
    """One outcome; two of the same nonce are retries of each other exactly when all else is equal too."""
    decision = rows.Decision(
        nonce=nonce,
        decided_ms=decided_ms,
        combination=7,
        task_hash=rows.task_hash(task_type),
        level=1,
        hour=hour,
        policy_version=1,
        prior_version=0,
    )
    said = repr((signals, final, step, metadata)).encode()
    row = rows.pack(
        decision,
        signals,
        fingerprint=blake2b(said, digest_size=6).digest(),
        final=final,
        step=step,
    )
    return Report(TENANT, user, row, alias, task_type, metadata)


async def sent(facts, *reports):
    """The verdicts on reports sent one after the other."""
    return [(await facts.report([each]))[0] for each in reports]


async def history(facts, user="ada"):
    """What a decision would look at."""
    _, (record,) = await facts.read([(TENANT, user)])
    return rows.unpack(record.rows)


async def nonces(facts, user="ada"):
    """The nonces of the history, in its order."""
    return (await history(facts, user))["nonce"].tolist()
