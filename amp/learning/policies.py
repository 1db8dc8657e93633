"""Which policy is in force. So far one for all tenants, from the settings."""

from amp.learning.types import Policy
from amp.settings import Settings


def policy_of(settings: Settings) -> Policy:
    """The policy that the operator's settings describe."""
    return Policy(explore_floor=settings.explore_floor, control_share=settings.control_share)
