"""What other reward weights would say of the outcomes that are stored: the rows keep the raw signals."""

from collections.abc import Sequence

from msgspec import Struct

from amp.learning.approaches import Approaches
from amp.learning.crowd import gather, learned
from amp.learning.features import features
from amp.learning.mixed import moments, posterior
from amp.learning.population import option_design
from amp.learning.prior import Prior, start
from amp.learning.types import Floats, History, Policy


class OptionImpact(Struct, rename={"before": "from", "after": "to"}):
    """The population's expected reward of one option."""

    dimension: str
    option: str
    before: float
    after: float


class Impact(Struct, rename={"before": "from", "after": "to"}):
    """How rewards would move, over a sample of the tenant's users."""

    users: int
    outcomes: int
    before: float | None
    """The mean reward of the outcomes; None without any."""
    after: float | None
    options: list[OptionImpact]


def impact(
    histories: Sequence[History], prior: Prior, before: Policy, after: Policy, approaches: Approaches
) -> Impact:
    """The sample's rewards under both policies, and the population's means that are fitted to them."""
    taught = [kept for kept in map(learned, histories) if len(kept)]
    if not taught:
        return Impact(0, 0, None, None, [])
    (mean, options), (new_mean, new_options) = (
        _fitted(taught, prior, policy, approaches) for policy in (before, after)
    )
    names = [(each.name, each.options[number]) for each in approaches.dimensions for number in each.offered]
    return Impact(
        users=len(taught),
        outcomes=sum(map(len, taught)),
        before=round(mean, 4),
        after=round(new_mean, 4),
        options=[
            OptionImpact(dimension, option, round(old, 4), round(new, 4))
            for (dimension, option), old, new in zip(
                names, options.tolist(), new_options.tolist(), strict=True
            )
        ],
    )


def _fitted(
    taught: Sequence[History], prior: Prior, policy: Policy, approaches: Approaches
) -> tuple[float, Floats]:
    """The mean reward, and the expected reward of each offered option for the population."""
    crowd = gather(taught, policy)
    told = features(crowd.history, approaches)
    known = posterior(moments(crowd, told), prior.variances, start(told).centre)
    return float(crowd.rewards.mean()), option_design(approaches) @ known.mean[: told.p]
