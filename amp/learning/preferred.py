"""What the crowd prefers in a context, how strongly, what is served how often, and how that came to be."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import numpy as np

from amp.errors import InvalidParameter
from amp.learning import rows, validation
from amp.learning.admin_wire import ContextDefaults, FitReply
from amp.learning.approaches import Approaches, Dimension
from amp.learning.crowd_wire import (
    ApproachesOverTimeReply,
    ApproachesReply,
    CrowdDimensionReply,
    CrowdOptionReply,
    ThenDimensionReply,
    ThenOptionReply,
    ThenReply,
)
from amp.learning.defaults import CrowdBelief, beliefs, known_contexts
from amp.learning.fit_store import FitStore
from amp.learning.insights import OptionReply, RateReply, ReportingReply
from amp.learning.measure import Insights
from amp.learning.overview import context_defaults
from amp.learning.policies import Policies
from amp.learning.prior import Prior
from amp.learning.priors import Priors
from amp.learning.types import LEVELS, Context
from amp.tenancy import Tenant

INTERVAL_SDS = 1.645
"""Half the width of a 90 % interval, in standard deviations."""
PRIORS_TOLD = 24
_KEPT = 4096
_NEVER = RateReply(0, 0, None)

_Then = list[ThenDimensionReply]


class Preferred:
    """Looks at what a tenant's population prefers."""

    def __init__(self, fits: FitStore, priors: Priors, insights: Insights, *, policies: Policies) -> None:
        self._fits = fits
        self._priors = priors
        self._insights = insights
        self._policies = policies
        self._then: OrderedDict[tuple[str, int, Context, Approaches], _Then] = OrderedDict()

    async def now(self, tenant: Tenant, task_type: str | None, complexity: str | None) -> ApproachesReply:
        """What the prior in force believes of a context.

        Raises:
            InvalidParameter: no such complexity, or too long a task type.
            StoreUnavailable: there is no answer.
        """
        context, named = _context(task_type, complexity)
        ruled = self._policies.of(tenant)
        prior = self._priors.of(tenant, ruled.policy)
        names = await self._fits.task_names(tenant)
        reporting = await self._insights.reporting(tenant)
        known = known_contexts(prior)
        tasks = {each.task_hash for each in known} - {0}
        told = [each for each in known if not each.level or not each.task_hash]
        believed = await asyncio.to_thread(beliefs, prior, context, ruled.approaches)
        return ApproachesReply(
            prior_version=prior.version,
            policy_version=ruled.policy.version,
            learner=ruled.policy.learner,
            mode=ruled.policy.mode,
            users=prior.users,
            outcomes=prior.rows,
            task_type=named,
            task_type_known=context.task_hash in tasks,
            complexity=LEVELS[context.level] or None,
            task_types=sorted(name for task, name in names.items() if task in tasks),
            dimensions=_dimensions(believed, ruled.approaches, reporting),
            contexts=await asyncio.to_thread(_defaults, prior, told, names, ruled.approaches),
            served_at=reporting.computed_at,
        )

    async def over_time(
        self, tenant: Tenant, task_type: str | None, complexity: str | None
    ) -> ApproachesOverTimeReply:
        """What the priors that are still kept believed of a context, one after the other.

        Raises:
            InvalidParameter, StoreUnavailable: as `now`.
        """
        context, named = _context(task_type, complexity)
        approaches = self._policies.of(tenant).approaches
        told: list[ThenReply] = []
        fits = await self._fits.records(tenant)
        for fit in _spread(fits):
            then = await self._believed(tenant, fit.prior_version, context, approaches)
            if then is not None:
                told.append(ThenReply(fit.prior_version, fit.at, fit.users, fit.outcomes, then))
        return ApproachesOverTimeReply(named, LEVELS[context.level] or None, told, fits)

    async def _believed(
        self, tenant: Tenant, version: int, context: Context, approaches: Approaches
    ) -> _Then | None:
        """By one prior, which never changes; its answers are kept and not itself, which is large."""
        key = tenant.tag, version, context, approaches
        then = self._then.get(key)
        if then is None:
            prior = await self._priors.at(tenant, version, approaches)
            if prior is None:
                return None
            then = self._then[key] = await asyncio.to_thread(_then, prior, context, approaches)
            if len(self._then) > _KEPT:
                self._then.popitem(last=False)
        return then


def _context(task_type: str | None, complexity: str | None) -> tuple[Context, str | None]:
    """The context, and the task type as it is compared."""
    if (complexity or "") not in LEVELS:
        raise InvalidParameter("complexity", f"must be one of {', '.join(LEVELS[1:])}")
    named = validation.task_type(task_type)
    return Context(rows.task_hash(named), validation.level(complexity)), named or None


def _spread(fits: Sequence[FitReply]) -> list[FitReply]:
    """The published ones, the oldest first; of many some, with the first and the last."""
    published = [fit for fit in reversed(fits) if fit.published]
    places = np.linspace(0, len(published) - 1, min(len(published), PRIORS_TOLD)).round().astype(int)
    return [published[place] for place in places.tolist()]


def _then(prior: Prior, context: Context, approaches: Approaches) -> _Then:
    return [
        ThenDimensionReply(
            dimension.name,
            [
                ThenOptionReply(
                    dimension.options[each.option],
                    each.expected_reward,
                    *_interval(each),
                    each.probability_best,
                )
                for each in options
            ],
        )
        for dimension, options in zip(approaches.dimensions, beliefs(prior, context, approaches), strict=True)
    ]


def _defaults(
    prior: Prior, contexts: Sequence[Context], names: Mapping[int, str], approaches: Approaches
) -> list[ContextDefaults]:
    return [context_defaults(prior, each, names, approaches) for each in contexts]


def _dimensions(
    believed: Sequence[Sequence[CrowdBelief]], approaches: Approaches, reporting: ReportingReply
) -> list[CrowdDimensionReply]:
    counted = {(each.dimension, each.option): each for each in reporting.by_option}
    return [
        _dimension(dimension, options, counted)
        for dimension, options in zip(approaches.dimensions, believed, strict=True)
    ]


def _dimension(
    dimension: Dimension, believed: Sequence[CrowdBelief], counted: Mapping[tuple[str, str], OptionReply]
) -> CrowdDimensionReply:
    best, *others = sorted(believed, key=lambda each: -each.expected_reward)
    of = {each.option: each for each in believed}
    return CrowdDimensionReply(
        dimension=dimension.name,
        default=dimension.options[best.option],
        lead=best.expected_reward - others[0].expected_reward if others else 0.0,
        strength=best.strength,
        options=[
            _option(name, of.get(number), counted.get((dimension.name, name)))
            for number, name in enumerate(dimension.options)
        ],
    )


def _option(name: str, of: CrowdBelief | None, counted: OptionReply | None) -> CrowdOptionReply:
    low, high = _interval(of) if of else (None, None)
    return CrowdOptionReply(
        option=name,
        offered=of is not None,
        expected_reward=of and of.expected_reward,
        low=low,
        high=high,
        user_sd=of and of.user_sd,
        probability_best=of and of.probability_best,
        strength=of and of.strength,
        learned=_learned(counted) if counted else _NEVER,
        control=counted.control if counted else _NEVER,
        mean_reward=counted and counted.mean_reward,
    )


def _learned(counted: OptionReply) -> RateReply:
    decided = counted.decided - counted.control.decided
    reported = counted.reported - counted.control.reported
    return RateReply(decided, reported, min(1.0, reported / decided) if decided else None)


def _interval(of: CrowdBelief) -> tuple[float, float]:
    half = INTERVAL_SDS * of.sd
    return of.expected_reward - half, of.expected_reward + half
