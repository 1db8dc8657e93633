"""`amp profile`: one user's profile and posterior, read from the store whether or not the service runs."""

from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from rich.text import Text

from amp.errors import NotFound
from amp.exits import CommandFailed
from amp.learning import validation
from amp.learning.profiles import Profiles
from amp.learning.service import Phase, phase
from amp.learning.wire import PosteriorReply, ProfileReply
from amp.settings import Settings
from amp.tenancy import Tenant, tenant
from amp.terminal import talk
from amp.terminal.learner import Learner, with_learner
from amp.terminal.posterior import drawing, glyphs, legend


class Seen(NamedTuple):
    """What is kept and believed of one user."""

    tenant: Tenant
    profile: ProfileReply
    posterior: PosteriorReply
    stated: dict[str, str]
    """Preferences that were set, by dimension as they are named in the profile; the others are learned."""

    @property
    def phase(self) -> Phase:
        return phase(self.profile.total_interactions)


def read(settings: Settings, tenant_name: str, env: str, user_id: str) -> Seen:
    """One user, as the service would see them now.

    Raises:
        CommandFailed: nobody has reported or preferred anything for this user.
        StoreUnavailable: there is no answer.
        InvalidInput: no such tenant or user can be.
    """
    owner = tenant(tenant_name, env)

    async def seen(learner: Learner) -> Seen:
        policies = learner.policies
        profiles = Profiles(learner.facts, learner.priors, policies=policies)
        shown = await profiles.show(owner, user_id)
        believed = await profiles.posterior(owner, user_id)
        record, _ = await learner.facts.profile(owner, validation.user_id(user_id))
        approaches = policies.of(owner).approaches
        preferences = zip(approaches.dimensions, approaches.stated(record.preferences), strict=False)
        stated = {each.name: each.preference for each, preference in preferences if preference is not None}
        return Seen(owner, shown, believed, stated)

    try:
        return with_learner(settings, seen)
    except NotFound as unknown:
        raise CommandFailed(
            f"No profile for {user_id!r} in the {env} data of {tenant_name}: nothing was reported or "
            "preferred for this user. Another tenant or environment: --tenant, --env."
        ) from unknown


def as_json(seen: Seen) -> None:
    """The profile and the posterior as the API gives them, with the phase and what was stated."""
    talk.write_json(
        {
            "tenant": seen.tenant.name,
            "env": seen.tenant.env,
            "phase": seen.phase,
            "stated": list(seen.stated.values()),
            "profile": msgspec.to_builtins(seen.profile),
            "posterior": msgspec.to_builtins(seen.posterior),
        }
    )


def as_drawing(seen: Seen) -> None:
    """The same for the eyes, 80 columns wide."""
    console = Console(highlight=False)
    drawn = glyphs(console)
    console.print(_facts(seen))
    console.print()
    console.print(drawing(seen.posterior.dimensions, drawn, notes=_notes(seen)), crop=False, no_wrap=True)
    console.print()
    console.print(legend(drawn))


def _facts(seen: Seen) -> Text:
    profile, weight = seen.profile, seen.posterior.user_weight
    text = Text(profile.user_id, style="bold")
    text.append(f"  {seen.tenant.env} data of {seen.tenant.name}\n", style="not bold dim")
    told: list[str] = [seen.phase, f"{profile.total_interactions:,} interactions"]
    if profile.total_interactions:
        told += [f"{profile.completion_rate:.0%} completed", f"{profile.flow_state_frequency:.0%} in flow"]
    if profile.average_time_to_start is not None:
        told.append(f"starts within {_span(profile.average_time_to_start)}")
    text.append(", ".join(told) + "\n", style="not bold")
    prior = seen.posterior.prior_version
    crowd = f"the crowd (prior {prior})" if prior else "the shipped prior"
    text.append(f"userWeight {weight:.2f}: {weight:.0%} own history, the rest {crowd}", style="not bold")
    return text


def _notes(seen: Seen) -> dict[str, str]:
    values: dict[str, Any] = msgspec.to_builtins(seen.profile)
    return {
        name: f"{'locked' if preference in seen.profile.locked else 'preferred'}: {values[preference]}"
        for name, preference in seen.stated.items()
    }


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
