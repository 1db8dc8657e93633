"""A tenant's own rows, as a world is fitted to them."""

from amp.learning.crowd import readable
from amp.learning.policies import InForce, Policies, first
from amp.learning.policy_store import PolicyStore
from amp.learning.store import LIBRARY, LearningStore
from amp.learning.types import History
from amp.settings import Settings
from amp.store.connection import connect
from amp.store.functions import Functions
from amp.tenancy import Tenant


async def read(settings: Settings, owner: Tenant) -> tuple[list[History], InForce]:
    """The rows of every user, and the policy in force; records that cannot be read are left out.

    Raises:
        StoreUnavailable: there is no answer.
    """
    store = connect(settings.redis or "")
    functions = Functions(store, [LIBRARY])
    try:
        facts = LearningStore(
            store,
            functions,
            window_ms=settings.outcome_window_ms,
            retention_ms=settings.log_retention_ms,
        )
        policies = Policies(first(settings), PolicyStore(store, functions))
        await policies.refresh()
        sampled = await facts.sample(owner, await facts.known_users(owner))
    finally:
        await store.close()
    ruled = policies.of(owner)
    histories = readable([record.rows for _, record in sorted(sampled)], ruled.approaches)
    return [history for history in histories if len(history)], ruled
