"""What is believed of everybody, for who operates the learner."""

import asyncio
from collections.abc import Mapping

from amp.learning.admin_wire import ContextDefaults, DefaultReply, FitReply, PopulationReply
from amp.learning.approaches import Approaches
from amp.learning.defaults import defaults, known_contexts
from amp.learning.fit_store import FitStore
from amp.learning.policies import InForce, Policies
from amp.learning.population import population
from amp.learning.prior import Prior
from amp.learning.priors import Priors
from amp.learning.types import LEVELS, Context
from amp.tenancy import Tenant

OTHER_TASK = "other"
"""A task type whose name nobody told, or too few."""


class Overview:
    """Looks at a tenant's population."""

    def __init__(self, fits: FitStore, priors: Priors, *, policies: Policies) -> None:
        self._fits = fits
        self._priors = priors
        self._policies = policies

    async def population(self, tenant: Tenant) -> PopulationReply:
        """The defaults by context, how sure they are, and how the prior came to be.

        Raises:
            StoreUnavailable: there is no answer.
        """
        ruled = self._policies.of(tenant)
        prior = self._priors.of(tenant, ruled.policy)
        names = await self._fits.task_names(tenant)
        fits = await self._fits.records(tenant)
        held = await self._fits.held(tenant)
        contexts = await asyncio.to_thread(_contexts, prior, names, ruled.approaches)
        return PopulationReply(
            prior_version=prior.version,
            policy_version=ruled.policy.version,
            learner=ruled.policy.learner,
            mode=ruled.policy.mode,
            users=prior.users,
            outcomes=prior.rows,
            default=_default(prior, ruled),
            contexts=contexts,
            fits=fits,
            fitted_at=_published_at(fits, prior.version),
            held_until="POST /v1/admin/refit" if held else None,
        )


def _default(prior: Prior, ruled: InForce) -> dict[str, str]:
    """What control users are served."""
    approaches, own = ruled.approaches, ruled.policy.baseline
    combination = approaches.combination(own) if own else population(prior, approaches).default
    names = approaches.names(combination)
    return {each.name: option for each, option in zip(approaches.dimensions, names, strict=True)}


def _contexts(prior: Prior, names: Mapping[int, str], approaches: Approaches) -> list[ContextDefaults]:
    """Up to 132 contexts, each of milliseconds when it is first looked at: too long for the event loop."""
    return [context_defaults(prior, context, names, approaches) for context in known_contexts(prior)]


def context_defaults(
    prior: Prior, context: Context, names: Mapping[int, str], approaches: Approaches
) -> ContextDefaults:
    """The defaults of one context, with its names."""
    return ContextDefaults(
        names.get(context.task_hash, OTHER_TASK) if context.task_hash else None,
        LEVELS[context.level] or None,
        [
            DefaultReply(
                dimension=approaches.dimensions[each.dimension].name,
                option=approaches.dimensions[each.dimension].options[each.option],
                expected_reward=each.expected_reward,
                lead=each.lead,
                probability_best=each.probability_best,
                strength=each.strength,
            )
            for each in defaults(prior, context, approaches)
        ],
    )


def _published_at(fits: list[FitReply], version: int) -> str | None:
    """When this prior was fitted or rolled back to, if that is still remembered."""
    return next((each.at for each in fits if each.published and each.prior_version == version), None)
