"""`amp evaluate`: what another policy would have earned, from the log."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from amp.exits import CommandFailed
from amp.learning import targets
from amp.learning.approaches import Approaches
from amp.learning.evaluation import CONFIDENCE, Estimate, Evaluation, Sample, doubts, evaluate
from amp.learning.journal import Entry
from amp.learning.logline import LogLine, numbered
from amp.learning.policies import InForce, first
from amp.learning.prior import Prior
from amp.learning.replay import REASONS
from amp.learning.targets import Description, Situation, Target
from amp.learning.types import Floats
from amp.settings import Settings
from amp.tenancy import tenant
from amp.terminal import logfile, talk
from amp.terminal.reading import Take, read, since

_TASK_TYPES_MAX = 8
"""Task types, the commonest, that the reward model tells apart."""


def run(  # noqa: PLR0917  the command's options
    settings: Settings, policy: str, log: str | None, name: str, env: str, after: str | None, *, as_json: bool
) -> None:
    """Evaluates the policy that a file describes and shows it.

    Raises:
        CommandFailed: a file cannot be read or understood, or no decision can be used.
        StoreUnavailable: there is no answer.
        InvalidInput: no such tenant can be.
    """
    description = _description(policy)
    collected = Collected(description)
    if log is None:
        read(settings, tenant(name, env), since(after), collected.start)
    else:
        collected.take_file(Path(log), first(settings))
    if not collected.rewards:
        raise CommandFailed(f"No decision can be used: {collected.told() or 'the log is empty'}.")
    result = evaluate(collected.sample())
    (_as_json if as_json else _as_table)(result, collected)


def _description(file: str) -> Description:
    try:
        return targets.read(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise CommandFailed(f"{file}: {error}.") from error


class Collected:
    """The decisions of a log that can be used, and how many cannot."""

    def __init__(self, description: Description) -> None:
        self._description = description
        self._target: Target
        self._approaches: Approaches
        self._users: dict[str, int] = {}
        self._lines: list[LogLine] = []
        self._wanted: list[Floats] = []
        self.rewards: list[float] = []
        self.targets: list[float] = []
        self.out_of_reach: list[float] = []
        """Of each decision, the target's share of what could not have been shown; only the store tells."""
        self.unusable: Counter[str] = Counter()
        self.controls = 0
        """Controls and users in shadow mode: what they are served is no draw."""

    def start(self, ruled: InForce, prior: Prior | None) -> Take:
        """What takes each decision."""
        self._approaches = ruled.approaches
        try:
            self._target = targets.target(self._description, ruled.approaches, ruled.policy, prior)
        except ValueError as error:
            raise CommandFailed(f"The policy: {error}.") from error
        return self._take

    def take_file(self, file: Path, ruled: InForce) -> None:
        """Every line of an exported log."""
        if self._description.needs_store:
            raise CommandFailed(
                "A log file does not hold users' rows and priors: evaluate this policy without --log."
            )
        self.start(ruled, None)
        for line in logfile.lines(file):
            try:
                self._take(line, None)
            except ValueError as error:
                raise CommandFailed(
                    f"{file} is of other dimensions than amp's own ({error}): evaluate without --log."
                ) from error

    def _take(self, line: LogLine, entry: Entry | None) -> None:
        if line.group == "control" or line.shadow is not None:
            self.controls += 1
            return
        if line.propensity is None:
            self.unusable[line.propensity_reason or "policy"] += 1
            return
        situation = Situation(line, entry.ask, entry.prior) if entry else Situation(line)
        wanted = self._target(situation)
        if wanted is None:
            self.unusable["locked"] += 1
            return
        self._lines.append(line)
        self._users.setdefault(line.user, len(self._users))
        self.rewards.append(line.reward)
        self.targets.append(float(wanted[numbered(line.approach, self._approaches)]))
        self._wanted.append(wanted @ self._approaches.design[: wanted.size])
        if entry is not None and entry.probabilities is not None:
            self.out_of_reach.append(float(wanted[entry.probabilities == 0.0].sum()))

    def sample(self) -> Sample:
        """The decisions that can be used, as arrays."""
        seen = Counter(line.context.task_type for line in self._lines if line.context.task_type)
        kinds = [kind for kind, _ in seen.most_common(_TASK_TYPES_MAX) if kind]
        shown = [numbered(line.approach, self._approaches) for line in self._lines]
        return Sample(
            users=np.array([self._users[line.user] for line in self._lines]),
            rewards=np.array(self.rewards),
            propensities=np.array([line.propensity for line in self._lines], float),
            targets=np.array(self.targets),
            shown=self._approaches.design[shown],
            wanted=np.array(self._wanted),
            contexts=np.array([targets.context_features(line.context, kinds) for line in self._lines]),
        )

    @property
    def share(self) -> float:
        """Of the learned group's decisions, those that can be used."""
        return len(self.rewards) / max(1, len(self.rewards) + self.unusable.total())

    def told(self) -> str:
        """Why decisions cannot be used."""
        return "; ".join(f"{count:,} {_why(reason)}" for reason, count in self.unusable.most_common())

    def doubts(self, result: Evaluation) -> list[str]:
        """What speaks against relying on the estimates."""
        return doubts(result, self.share, float(np.mean(self.out_of_reach)) if self.out_of_reach else None)


def _why(reason: str) -> str:
    texts: dict[str, str] = {str(key): text for key, text in REASONS.items()}
    return texts.get(reason, "paused, locked or excluded, so that the policy had nothing to show")


def _as_json(result: Evaluation, collected: Collected) -> None:
    def told(estimate: Estimate) -> dict[str, float | None]:
        named = zip(("value", "standardError", "low", "high"), msgspec.to_builtins(estimate).values())  # noqa: B905
        return {name: value if math.isfinite(value) else None for name, value in named}

    estimates = {
        "logged": told(result.logged),
        "ips": told(result.ips) | {"gain": told(result.ips_gain)},
        "snips": told(result.snips) | {"gain": told(result.snips_gain)},
        "doublyRobust": told(result.dr) | {"gain": told(result.dr_gain)},
    }
    numbers: dict[str, Any] = {
        "decisions": result.decisions,
        "users": result.users,
        "usableShare": collected.share,
        "unusable": dict(collected.unusable),
        "controls": collected.controls,
        "effectiveSampleSize": result.effective_sample_size,
        "weightMean": result.weight_mean,
        "weightMax": result.weight_max,
        "tailShape": result.tail_shape,
    }
    talk.write_json(numbers | {"confidence": CONFIDENCE} | estimates | {"warnings": collected.doubts(result)})


def _as_table(result: Evaluation, collected: Collected) -> None:
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for column in ("mean reward", "estimate", f"{CONFIDENCE:.0%} interval", "against logged", ""):
        table.add_column(column, justify="left" if column == "mean reward" else "right")
    table.add_row("as logged", _value(result.logged), _interval(result.logged), "", "")
    rows = (
        ("IPS", result.ips, result.ips_gain),
        ("SNIPS", result.snips, result.snips_gain),
        ("doubly robust", result.dr, result.dr_gain),
    )
    for name, estimate, gain in rows:
        table.add_row(
            name, _value(estimate), _interval(estimate), _value(gain, sign="+"), _interval(gain, sign="+")
        )
    console.print(table)
    console.print(
        f"\n{result.decisions:,} decisions of {result.users:,} users, {collected.share:.0%} of the learned "
        f"group's; worth {result.effective_sample_size:,.0f} of the policy's own "
        f"(effective sample size; largest weight {result.weight_max:,.1f})."
    )
    if collected.unusable:
        console.print(f"Not used: {collected.told()}.")
    if collected.controls:
        console.print(f"Left out: {collected.controls:,} decisions of controls, which are no draw.")
    for doubt in collected.doubts(result):
        console.print(f"Careful: {doubt}", style="yellow")


def _value(estimate: Estimate, sign: str = "") -> str:
    return "-" if math.isnan(estimate.value) else f"{estimate.value:{sign}.4f}"


def _interval(estimate: Estimate, sign: str = "") -> str:
    if math.isnan(estimate.low):
        return "-"
    return f"{estimate.low:{sign}.4f} to {estimate.high:{sign}.4f}"
