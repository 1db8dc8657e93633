"""What is told of a context: GET /v1/insights/approaches, and how it came to be over the priors."""

from msgspec import Struct

from amp.learning.admin_wire import ContextDefaults, FitReply
from amp.learning.insights import RateReply


class CrowdOptionReply(Struct, rename="camel"):
    """One option in the eyes of the population."""

    option: str
    offered: bool
    """False: paused or retired; nothing is believed of it here, only counted."""
    expected_reward: float | None
    low: float | None
    high: float | None
    """A 90 % interval of the population's mean reward with it."""
    user_sd: float | None
    """Of one user's expected reward with it: users differ, and the crowd's mean is not known exactly."""
    probability_best: float | None
    strength: float | None
    """Outcomes of a user's own with this option that weigh as much as the population."""
    learned: RateReply
    """Decisions that served it to learned users, in any context."""
    control: RateReply
    mean_reward: float | None
    """Of what was reported, in any context."""


class CrowdDimensionReply(Struct, rename="camel"):
    """One dimension in a context."""

    dimension: str
    default: str
    """What the population would have: its best option."""
    lead: float
    """Expected reward above the runner-up's."""
    strength: float
    """Of the default."""
    options: list[CrowdOptionReply]


class ApproachesReply(Struct, rename="camel"):
    """GET /v1/insights/approaches."""

    prior_version: int
    policy_version: int
    learner: str
    mode: str
    users: int
    outcomes: int
    task_type: str | None
    """As asked; null: not said."""
    task_type_known: bool
    """False: the prior does not tell this type from any other, so this is what it believes of those."""
    complexity: str | None
    task_types: list[str]
    """That the prior tells apart."""
    dimensions: list[CrowdDimensionReply]
    contexts: list[ContextDefaults]
    """The defaults by task type, and by complexity where no type is said."""
    served_at: str | None
    """When decisions were last counted."""


class ThenOptionReply(Struct, rename="camel"):
    """One option, as a prior saw it."""

    option: str
    expected_reward: float
    low: float
    high: float
    """As in `CrowdOptionReply`."""
    probability_best: float


class ThenDimensionReply(Struct):
    """One dimension, as a prior saw it."""

    dimension: str
    options: list[ThenOptionReply]


class ThenReply(Struct, rename="camel"):
    """One published prior."""

    prior_version: int
    at: str
    users: int
    outcomes: int
    dimensions: list[ThenDimensionReply]


class ApproachesOverTimeReply(Struct, rename="camel"):
    """GET /v1/insights/approaches/history."""

    task_type: str | None
    complexity: str | None
    priors: list[ThenReply]
    """Published and still kept, the oldest first: at most 24, spread over all there are."""
    fits: list[FitReply]
    """Published or not, the newest first, at most 100."""
