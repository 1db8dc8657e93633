"""Which version stands, told to every worker: of two that tell, the slower takes nothing back."""

import pytest
from reports import TENANT

from amp.learning.policy_store import PolicyStore
from amp.learning.store import LearningStore
from amp.store.announcing import announce
from amp.store.functions import Functions
from amp.store.keys import POLICY_VERSIONS, PRIOR_VERSIONS

VERSIONS = b"{amp}:tested"


async def told(store, versions, name):
    return int(await store.ask("HGET", versions, name))


async def test_what_was_announced_is_not_taken_back(any_store):
    for standing in (2, 1, 10, 9, 10):
        await announce(any_store, VERSIONS, "acme:live", standing)
    await announce(any_store, VERSIONS, "other:live", 1)
    assert await told(any_store, VERSIONS, "acme:live") == 10
    assert await told(any_store, VERSIONS, "other:live") == 1


class Overtaken(Functions):
    """Lets somebody else do what they like between a publication and its announcement."""

    meanwhile = None

    async def call(self, call):
        reply = await super().call(call)
        if self.meanwhile:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return reply


@pytest.fixture
def store(any_store):
    return any_store


@pytest.mark.parametrize("what", ["policy", "prior"])
async def test_a_publisher_that_is_overtaken_announces_what_stands_by_then(store, functions, what):
    slow = Overtaken(store, functions._sources)

    def publisher(through):
        if what == "policy":
            return PolicyStore(store, through)
        return LearningStore(store, through, window_ms=1, retention_ms=60_000)

    first = 2 if what == "policy" else 1  # where nothing was published the operator's policy stands as 1

    async def two_more():
        for version in (first + 1, first + 2):
            assert await publisher(functions).publish(TENANT, version, b"later")

    slow.meanwhile = two_more
    assert await publisher(slow).publish(TENANT, first, b"first")
    versions = POLICY_VERSIONS if what == "policy" else PRIOR_VERSIONS
    assert await told(store, versions, TENANT.tag) == first + 2
