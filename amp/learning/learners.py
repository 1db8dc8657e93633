"""Which learner thinks for a tenant: the one place where the policy's `learner` is asked."""

from collections.abc import Sequence

from amp.learning import beta, choice, posterior
from amp.learning.approaches import Approaches
from amp.learning.posterior import DimensionBelief
from amp.learning.prior import Prior
from amp.learning.types import Ask, Choice, Context, History, Policy, Preference


def choose(asks: Sequence[Ask], prior: Prior, policy: Policy, approaches: Approaches) -> list[Choice]:
    """One decision for each ask; each is the same, to the bit, alone and in any batch."""
    decide = beta.choose if policy.learner == "beta" else choice.choose
    return decide(asks, prior, policy, approaches)


def user_weight(history: History, prior: Prior, policy: Policy, approaches: Approaches) -> float:
    """How much of what is believed is the user's own history: 0 without one, and rising with it."""
    if policy.learner == "beta":
        return beta.user_weight(history, prior, policy, approaches)
    return float(posterior.posteriors([history], prior, policy, approaches).user_weight[0])


def describe(  # noqa: PLR0917 - as `posterior.describe`
    history: History,
    preferences: Sequence[Preference | None],
    context: Context,
    prior: Prior,
    policy: Policy,
    approaches: Approaches,
) -> tuple[DimensionBelief, ...]:
    """What is believed of every option for this user. Contract: GET .../posterior."""
    if policy.learner == "beta":
        return beta.describe(history, preferences, prior, policy, approaches)
    return posterior.describe(history, preferences, context, prior, policy, approaches)
