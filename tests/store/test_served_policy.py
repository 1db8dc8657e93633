"""By which settings a store is served, for the commands that have others."""

import pytest
from reports import TENANT

from amp.learning.approaches import PUBLISHED
from amp.learning.attendance import HEARTBEAT_S, Attendance
from amp.learning.policies import InForce, Policies
from amp.learning.policy_store import PolicyStore
from amp.learning.priors import Priors
from amp.learning.types import Policy
from amp.store.keys import SERVED_POLICY

BETA = Policy(learner="beta", explore_floor=0.2)


@pytest.fixture
def store(any_store):
    return any_store


@pytest.fixture
def settings(store, functions):
    """Settings of one process: `settings(policy)`."""

    def make(policy=None):
        return Policies(InForce(policy or Policy(), PUBLISHED), PolicyStore(store, functions))

    return make


@pytest.fixture
def worker(facts, fits):
    def make(ruling, elapsed_s=lambda: 0.0):
        return Attendance(fits, Priors(facts, ruling), ruling, elapsed_s=elapsed_s)

    return make


async def test_a_command_goes_by_the_settings_of_who_serves_and_by_its_own_until_somebody_did(
    settings, worker
):
    command = settings()
    await command.as_served()
    assert command.of(TENANT).policy == Policy()
    await worker(settings(BETA)).once()
    await command.as_served()
    assert command.of(TENANT) == InForce(BETA, PUBLISHED)
    assert command.first.policy == BETA


async def test_who_goes_on_serving_is_believed_again_after_a_demonstration(settings, worker):
    clock = [0.0]
    lasting, command = worker(settings(BETA), lambda: clock[0]), settings()
    await lasting.once()
    await worker(settings(Policy(control_share=0.5))).once()
    clock[0] += HEARTBEAT_S
    await lasting.once()
    await command.as_served()
    assert command.of(TENANT).policy == BETA


async def test_what_cannot_be_read_leaves_the_settings_of_the_command(settings, store, caplog):
    await store.ask("SET", SERVED_POLICY, b"no document")
    command = settings(BETA)
    await command.as_served()
    assert command.of(TENANT).policy == BETA
    assert "cannot be read" in caplog.text
