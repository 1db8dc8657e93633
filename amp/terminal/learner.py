"""The learner in a store, opened for one command beside whatever serves from it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from amp.learning import fit_store, insight_store
from amp.learning import store as learning_store
from amp.learning.fit_store import FitStore
from amp.learning.insight_store import InsightStore
from amp.learning.policies import Policies, first
from amp.learning.policy_store import PolicyStore
from amp.learning.priors import Priors
from amp.learning.store import LearningStore
from amp.settings import Settings
from amp.store.connection import Store, store_of
from amp.store.functions import Functions
from amp.store.keeper import opened

Answer = TypeVar("Answer")


class Learner(NamedTuple):
    """What the commands ask of it; policies and priors are those that stand."""

    settings: Settings
    """With the secret."""
    store: Store
    facts: LearningStore
    fits: FitStore
    insights: InsightStore
    documents: PolicyStore
    policies: Policies
    priors: Priors


def with_learner(settings: Settings, work: Callable[[Learner], Awaitable[Answer]]) -> Answer:
    """The answer of `work`, whether or not the service runs.

    Raises:
        StoreUnavailable: there is no answer.
        StoreMissing: no store can be started or reached.
        SettingsRefused: the data folder cannot be used.
    """
    with opened(settings) as complete:
        return asyncio.run(_worked(complete, work))


async def _worked(settings: Settings, work: Callable[[Learner], Awaitable[Answer]]) -> Answer:
    store = store_of(settings)
    try:
        learner = _learner(settings, store)
        await learner.policies.as_served()
        await learner.policies.refresh()
        await learner.priors.refresh()
        return await work(learner)
    finally:
        await store.close()


def _learner(settings: Settings, store: Store) -> Learner:
    functions = Functions(store, [learning_store.LIBRARY, fit_store.LIBRARY, insight_store.LIBRARY])
    facts, documents = LearningStore.of(settings, store, functions), PolicyStore(store, functions)
    policies = Policies(first(settings), documents)
    return Learner(
        settings,
        store,
        facts,
        FitStore(store, functions, retention_ms=settings.log_retention_ms),
        InsightStore.of(settings, store, functions, policies),
        documents,
        policies,
        Priors(facts, policies),
    )
