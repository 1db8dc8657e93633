"""People with a control group among them, and the background's measurement of them."""

from contextlib import suppress

from amp.errors import StoreUnavailable
from amp.learning.approaches import PUBLISHED
from amp.learning.insight_store import DAY_MS, LIBRARY, InsightStore
from amp.learning.measure import Measure, group_key
from amp.learning.policies import InForce, Policies
from amp.learning.store import LIBRARY as FACTS
from amp.learning.store import LearningStore
from amp.learning.types import Policy
from amp.store.functions import Functions
from amp.tenancy import Tenant

SECRET = "a secret of the tests, long enough for keys"
SHARE = 0.4
LIVE = Tenant("acme", "live")
RULING = Policies(InForce(Policy(control_share=SHARE), PUBLISHED))
SCOPES = ("context", "outcome", "profile", "read")


def kept_on(store):
    functions = Functions(store, [FACTS, LIBRARY])
    return InsightStore(store, functions, policies=RULING, retention_ms=30 * DAY_MS)


def measuring(store):
    """As the background process has it."""
    facts = LearningStore(
        store, Functions(store, [FACTS, LIBRARY]), window_ms=DAY_MS, retention_ms=30 * DAY_MS
    )
    return Measure(facts, kept_on(store), policies=RULING, key=group_key(SECRET))


async def lived(client, *, users=140, times=2, learned=True, control=False, **fields):
    """Everybody asks and reports; the learned group completes if `learned`, control if `control`."""
    groups = {}
    for user in range(users):
        for _ in range(times):
            told = (await client.context(f"user {user}", **fields)).json()
            group = groups[user] = told["metadata"]["group"]
            done = learned if group == "learned" else control
            answer = await client.outcome(told["requestId"], completed=done, timeToStart=60 if done else 240)
            assert answer.status_code == 200, answer.text
    return list(groups.values())


async def flushed(service):
    """As if the worker's next flush had come."""
    with suppress(StoreUnavailable):
        await service._app.dependencies["learning"].dependency()._counting.flush()


async def measured(service, measure, tenant=LIVE):
    """As if the worker's flush and the background's look had come."""
    await flushed(service)
    return await measure.attend(tenant, 0.0)
