"""What the ledger may know of a decision of the learning room."""

from amp.errors import InvalidRequestId
from amp.learning.policies import Policies
from amp.learning.token import Sealer
from amp.ledger.types import Decided
from amp.tenancy import Tenant


class Decisions:
    """Opens requestIds for the ledger, whenever they were given: a job may take longer than a window."""

    def __init__(self, sealer: Sealer, policies: Policies) -> None:
        self._sealer = sealer
        self._policies = policies

    def __call__(self, tenant: Tenant, request_id: str) -> Decided | None:
        """The options that were served, in the order of the policy's dimensions, and the user's group.

        None when the id is none that this service gave to this tenant.
        """
        try:
            decision, _, _ = self._sealer.open(tenant, request_id)
        except InvalidRequestId:
            return None
        told = self._policies.of(tenant).approaches.told(decision.policy_version, decision.combination)
        return Decided("/".join(told.values()), "control" if decision.control else "learned", request_id)
