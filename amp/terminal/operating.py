"""`amp refit`, `amp rollback` and `amp population`: the learner operated, or looked at, through its store."""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import msgspec
from rich.console import Console

from amp.exits import CommandFailed
from amp.learning.admin import REFIT_WITHIN_S, Admin
from amp.learning.admin_wire import FitReply, PopulationReply, RefitReply, RollbackReply
from amp.learning.overview import Overview
from amp.settings import Settings
from amp.store.keyring import Keyring, pepper
from amp.tenancy import Tenant, tenant
from amp.terminal import talk
from amp.terminal.learner import Learner, with_learner
from amp.terminal.population import within_a_standard_error

Answer = TypeVar("Answer")


class Place(NamedTuple):
    """A tenant's learner in a store."""

    tenant: Tenant
    admin: Admin
    overview: Overview
    served: bool
    """A service runs on this store, and its background fits."""


def refit(settings: Settings, tenant_name: str, env: str) -> RefitReply:
    """What came of a fit that is made now.

    Raises:
        CommandFailed: no such tenant, nobody fits, or it is not done in time.
    """

    async def ask(place: Place) -> RefitReply:
        if not place.served:
            raise CommandFailed("No service runs on this store, and its background fits. Start: amp serve")
        return await place.admin.refit(place.tenant)

    with _spinner("Fitting the population's prior"):
        reply = _at(settings, tenant_name, env, ask)
    if reply.fit is None:
        raise CommandFailed(f"Not done within {REFIT_WITHIN_S:.0f} s; it is still asked for. Ask again.")
    return reply


def rollback(settings: Settings, tenant_name: str, env: str, version: int) -> RollbackReply:
    """The earlier prior, which stands again.

    Raises:
        CommandFailed: no such tenant.
        AmpError: no such prior.
    """
    return _at(settings, tenant_name, env, lambda place: place.admin.rollback(place.tenant, version))


def population(settings: Settings, tenant_name: str, env: str) -> PopulationReply:
    """What is believed of everybody.

    Raises:
        CommandFailed: no such tenant.
    """
    return _at(settings, tenant_name, env, lambda place: place.overview.population(place.tenant))


def as_json(reply: RefitReply | RollbackReply | PopulationReply) -> None:
    """As the API gives it."""
    talk.write_json(msgspec.to_builtins(reply))


def refitted(reply: RefitReply) -> None:
    """What came of a fit, in words."""
    fit = reply.fit
    assert fit, "refit raises where there is none"
    if fit.published:
        talk.write(f"Prior {fit.prior_version} is published: {_learned_from(fit)}.")
    else:
        talk.write(f"Prior {fit.prior_version} stays. {fit.reason}")
    if fit.score is not None and fit.current_score is not None:
        talk.write(
            f"On users held out it scores {fit.score:+.4f}, the one before {fit.current_score:+.4f} "
            "(log predictive density of a reward, in nats: higher is better)"
            + (": within one standard error." if within_a_standard_error(fit) else ".")
        )
    talk.say(_workers(reply.workers, done=reply.done))
    talk.say("Next: amp population")


def rolled_back(reply: RollbackReply) -> None:
    """Which prior stands now, in words."""
    talk.write(f"Prior {reply.restored} stands again, as version {reply.prior_version}.")
    talk.say(_workers(reply.workers, done=reply.done))
    talk.say("No fit of its own accord replaces it until you ask for one: amp refit")


def _learned_from(fit: FitReply) -> str:
    more = ", from an index of signals" if fit.index else ""
    return f"{fit.outcomes:,} outcomes of {fit.users:,} users in {fit.seconds:.1f} s{more}"


def _workers(count: int, *, done: bool) -> str:
    if not done:
        return "Not every worker decides with it yet."
    return f"Workers that decide with it: {count}" if count else "No worker runs now; the next one reads it."


@contextmanager
def _spinner(words: str) -> Generator[None]:
    """Turns on stderr while a person waits; a pipe sees nothing of it."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(words):
        yield


def _at(settings: Settings, tenant_name: str, env: str, work: Callable[[Place], Awaitable[Answer]]) -> Answer:
    owner = tenant(tenant_name, env)

    async def at(learner: Learner) -> Answer:
        ring = await Keyring(learner.store, pepper(learner.settings.secret or "")).all()
        if not any((record.tenant, record.env) == (owner.name, owner.env) for record in ring):
            raise CommandFailed(
                f"No key was ever made for the {owner.env} data of {owner.name}, so there is nothing to see. "
                "Another tenant or environment: --tenant, --env."
            )
        admin = Admin(learner.facts, learner.fits, policies=learner.policies)
        overview = Overview(learner.fits, learner.priors, policies=learner.policies)
        return await work(Place(owner, admin, overview, await learner.fits.attended()))

    return with_learner(settings, at)
