"""Which policy is in force for a tenant. So far one for all, from the settings."""

from typing import NamedTuple, cast

from amp.learning.approaches import PUBLISHED, Approaches
from amp.learning.types import Learner, Policy
from amp.settings import Settings
from amp.tenancy import Tenant


class InForce(NamedTuple):
    """A tenant's policy and the approaches that it chooses from."""

    policy: Policy
    approaches: Approaches


class Policies:
    """One policy a tenant; the operator's settings describe it until the tenant has its own."""

    def __init__(self, first: InForce) -> None:
        self._first = first

    def of(self, _: Tenant) -> InForce:
        return self._first


def first(settings: Settings) -> InForce:
    """What the operator's settings describe, with the dimensions of the contract."""
    policy = Policy(
        learner=cast("Learner", settings.policy),
        explore_floor=settings.explore_floor,
        control_share=settings.control_share,
    )
    return InForce(policy, PUBLISHED)
