"""What `amp simulate --from-log` shows: what other policies would have earned, and how good the guess is."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from amp.exits import CommandFailed
from amp.learning.policies import InForce, first
from amp.learning.types import History, Weights
from amp.settings import Settings
from amp.simulate import logs
from amp.simulate.compare import Estimate
from amp.simulate.fitted import FittedPopulation, fit_population
from amp.simulate.whatif import CURRENT, Forecast, forecast, players, policies
from amp.tenancy import tenant
from amp.terminal import logfile, talk
from amp.terminal.learner import Learner, with_learner
from amp.terminal.progress import runs

USERS_FEW = 150
"""Below, a fitted population is a rough guess: in worlds c to f it cost a policy a tenth and more of what the
true one gives (learning.md section 4, I)."""
USERS_MAX = 1000
_MISSED_ERRORS = 3.0


@dataclass(frozen=True)
class Asked:
    """Whose log, and how much is to be played."""

    tenant: str
    env: str
    users: int | None
    seeds: range
    weights: Sequence[str]
    log: str | None = None
    """A file of `amp log export`, to be read instead of the store."""

    @property
    def source(self) -> str:
        """Whose data it is, in words."""
        return self.log or f"{self.env} data of {self.tenant}"


def run(settings: Settings, asked: Asked, *, as_json: bool) -> None:
    """Fits, plays, and shows what came of it.

    Raises:
        CommandFailed: too few users, weights that are none, or a file that is no log of amp's own dimensions.
        StoreUnavailable: there is no answer.
        InvalidInput: no such tenant can be.
    """
    histories, ruled = _read(settings, asked)
    others = policies(
        replace(ruled.policy, mode="learning"),
        {given: _weights(given, ruled.policy.weights) for given in asked.weights},
    )
    population = fit_population(histories, *ruled, np.random.default_rng(asked.seeds[0]))
    playing = players(population, others)
    users = asked.users or min(population.quality.users, USERS_MAX)
    with runs(len(asked.seeds) * len(playing)) as bar:
        found = forecast(
            population,
            users,
            asked.seeds,
            playing,
            lambda policy, seed, share: bar(f"Seed {seed}, {policy}", share),
        )
    if as_json:
        _as_json(population, users, asked, found)
    else:
        _as_page(population, users, asked, found)


def _read(settings: Settings, asked: Asked) -> tuple[list[History], InForce]:
    if asked.log is not None:
        ruled = first(settings)
        histories, approaches = logs.of_file(logfile.lines(Path(asked.log)), ruled)
        return histories, ruled._replace(approaches=approaches)
    owner = tenant(asked.tenant, asked.env)

    async def read(learner: Learner) -> tuple[list[History], InForce]:
        ruled = learner.policies.of(owner)
        return await logs.of_store(learner.facts, ruled, owner), ruled

    return with_learner(settings, read)


def _weights(given: str, current: Weights) -> Weights:
    """`completed=0.8,flow=0`: the current weights with these changed."""
    known = {each.name.replace("_", "-"): each.name for each in fields(Weights)}
    changed: dict[str, float] = {}
    for part in given.split(","):
        name, _, number = part.partition("=")
        try:
            changed[known[name.strip()]] = value = float(number)
        except (KeyError, ValueError):
            raise CommandFailed(
                f"--weights: {part!r} is not NAME=NUMBER; the names are {', '.join(known)}."
            ) from None
        if not np.isfinite(value) or (name.strip() == "speed-half-life-s" and value <= 0.0):
            raise CommandFailed(f"--weights: {part!r} is out of range.")
    return replace(current, **changed)


def _fixed(population: FittedPopulation) -> str:
    return ", ".join(population.approaches.names(population.best_fixed))


def _warnings(population: FittedPopulation, found: Sequence[Forecast]) -> list[str]:
    """What speaks against the table; empty when nothing is known to."""
    quality, told = population.quality, list[str]()
    if quality.users < USERS_FEW:
        told.append(
            f"Only {quality.users} users ({quality.outcomes:,} outcomes): below {USERS_FEW} a fitted "
            "population is a rough guess, and so is this table."
        )
    if quality.score <= quality.shipped_score:
        told.append("The fit predicts held-out outcomes no better than no log at all: do not rely on it.")
    replayed = found[0].value
    error = np.hypot(quality.logged_error, 0.0 if replayed.error is None else float(replayed.error))
    if abs(float(replayed.mean) - quality.logged) > _MISSED_ERRORS * error:
        told.append(
            f"Playing the current policy gives {replayed.mean:.3f} and the log has {quality.logged:.3f}: "
            "the model misses something, or the log began before its kept rows do."
        )
    return told


def _as_page(population: FittedPopulation, users: int, asked: Asked, found: Sequence[Forecast]) -> None:
    """For the eyes, 80 columns wide."""
    console, quality = Console(highlight=False), population.quality
    console.print(f"[bold]What would have been[/]  {asked.source}")
    console.print(
        f"Fitted to {quality.users:,} users and {quality.outcomes:,} outcomes. Held-out log score "
        f"{quality.score:.3f} nats an outcome; without any log {quality.shipped_score:.3f}. Mean reward in "
        f"the log {quality.logged:.3f} ± {quality.logged_error:.3f}."
    )
    for warning in _warnings(population, found):
        console.print(f"Beware: {warning}", style="yellow")
    console.print()
    console.print(_table(found))
    console.print(f"\nBest fixed, in hindsight: {_fixed(population)}", style="dim")
    console.print(
        f"Reward an interaction, under the weights in force, for {users:,} new users from the shipped prior "
        f"on; ± standard error over {len(asked.seeds)} fitted worlds. A model's guess: what is so only a "
        "control group tells.",
        style="dim",
    )


def _table(found: Sequence[Forecast]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("policy", no_wrap=True)
    table.add_column("reward", justify="right")
    table.add_column("above the current one", justify="right")
    for each in found:
        other = "" if each.policy == CURRENT else _told(each.above(found[0]), "+.3f")
        table.add_row(each.policy, _told(each.value, ".3f"), other)
    return table


def _told(value: Estimate, form: str) -> str:
    error = "" if value.error is None else f" ± {float(value.error):.3f}"
    return f"{float(value.mean):{form}}{error}"


def _as_json(population: FittedPopulation, users: int, asked: Asked, found: Sequence[Forecast]) -> None:
    quality = population.quality
    fit: dict[str, Any] = {
        "users": quality.users,
        "outcomes": quality.outcomes,
        "heldOutScore": quality.score,
        "heldOutScoreWithoutLog": quality.shipped_score,
        "loggedReward": quality.logged,
        "loggedRewardStandardError": quality.logged_error,
    }
    source = {"log": asked.log} if asked.log else {"tenant": asked.tenant, "env": asked.env}
    talk.write_json(
        source
        | {
            "fit": fit,
            "warnings": _warnings(population, found),
            "users": users,
            "seeds": list(asked.seeds),
            "bestFixed": list(population.approaches.names(population.best_fixed)),
            "policies": [
                {
                    "policy": each.policy,
                    "reward": _estimate_json(each.value),
                    "aboveCurrent": _estimate_json(each.above(found[0])),
                }
                for each in found
            ],
        }
    )


def _estimate_json(value: Estimate) -> dict[str, float | None]:
    return {
        "mean": float(value.mean),
        "standardError": None if value.error is None else float(value.error),
    }
