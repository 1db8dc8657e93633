"""What an operator's calls carry: fits, rollbacks, and what is believed of the population."""

from msgspec import Struct


class FitReply(Struct, rename="camel"):
    """One fit of the population's prior: what came of it."""

    at: str
    prior_version: int
    """Of the prior that stands after it."""
    published: bool
    reason: str
    """Why it was not published, or what else there is to say of it; empty for a fit that was."""
    score: float | None = None
    """Mean log predictive density of a held-out reward, in nats; null where nothing could be judged."""
    current_score: float | None = None
    """The same of the prior that stood before."""
    users: int = 0
    outcomes: int = 0
    """Those that it learned from."""
    index: bool = False
    """Whether contexts and pairs of options add anything in it."""
    seconds: float = 0.0
    ask: int = 0
    """The newest ask that it serves; 0 when nobody had asked."""


class RefitReply(Struct, rename="camel", omit_defaults=True):
    """POST /v1/admin/refit: `done` once every worker decides with the prior of `priorVersion`."""

    done: bool
    prior_version: int
    workers: int
    fit: FitReply | None = None


class Rollback(Struct, rename="camel"):
    """POST /v1/admin/rollback: which earlier prior is to stand again."""

    version: int


class RollbackReply(Struct, rename="camel"):
    """The earlier prior stands again, as a new version."""

    done: bool
    prior_version: int
    restored: int
    """The version that it is a copy of."""
    workers: int
    held_until: str = "POST /v1/admin/refit"
    """Until then no fit of its own accord replaces it."""


class DefaultReply(Struct, rename="camel"):
    """The population's best option of one dimension, in one context."""

    dimension: str
    option: str
    expected_reward: float
    lead: float
    """Expected reward above the runner-up's."""
    probability_best: float
    """Under the population's uncertainty."""
    strength: float
    """Outcomes of a user with this option that weigh as much as the population."""


class ContextDefaults(Struct, rename="camel"):
    """The defaults in one context."""

    task_type: str | None
    """Null: any that is not among the others."""
    complexity: str | None
    """Null: not said."""
    dimensions: list[DefaultReply]


class PopulationReply(Struct, rename="camel", omit_defaults=True):
    """GET /v1/insights/population: what amp believes of everybody, and how it came to."""

    prior_version: int
    policy_version: int
    learner: str
    mode: str
    users: int
    outcomes: int
    default: dict[str, str]
    """The approach that control users are served."""
    contexts: list[ContextDefaults]
    fits: list[FitReply]
    """The newest first, at most 100."""
    fitted_at: str | None = None
    held_until: str | None = None
