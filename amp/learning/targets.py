"""The policy that an evaluation asks about, read from its description, as probabilities of combinations."""

import tomllib
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct, structs

from amp.learning.approaches import Approaches
from amp.learning.learners import choose
from amp.learning.logline import LogContext, LogLine, allowed, numbered
from amp.learning.population import population
from amp.learning.prior import Prior
from amp.learning.propensity import propensities
from amp.learning.types import LEVELS, Ask, Floats, Policy

Named = Literal["uniform", "default", "control"]
NAMED: tuple[Named, ...] = ("uniform", "default", "control")


class _WeightsChange(Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Strengths of signals that the learner would go by."""

    never_started: float | None = None
    started: float | None = None
    completed: float | None = None
    flow: float | None = None
    speed: float | None = None
    speed_half_life_s: float | None = msgspec.field(name="speedHalfLife", default=None)
    satisfaction: float | None = None


class _LearnerChange(Struct, rename="camel", forbid_unknown_fields=True):
    """What amp's own learner would do differently."""

    temperature: float | None = None
    population_temperature: float | None = None
    explore_floor: float | None = None
    decay: float | None = None
    weights: _WeightsChange | None = None


class _Case(Struct, rename="camel", forbid_unknown_fields=True):
    """An approach for the contexts that match; what is not said matches any."""

    approach: dict[str, str]
    task_type: str | None = None
    complexity: Literal["low", "medium", "high"] | None = None

    def matches(self, context: LogContext) -> bool:
        return self.task_type in {None, context.task_type} and self.complexity in {None, context.complexity}


class Description(Struct, rename="camel", forbid_unknown_fields=True):
    """One of: an approach for all; a table of approaches by context; a named policy; a learner."""

    approach: dict[str, str] | None = None
    table: list[_Case] | None = None
    otherwise: dict[str, str] | Literal["uniform"] = "uniform"
    """For contexts that no case of the table matches."""
    policy: Named | None = None
    learner: _LearnerChange | None = None

    @property
    def needs_store(self) -> bool:
        """A log file does not say what a learner or a control would have been served."""
        return self.learner is not None or self.policy in {"default", "control"}


class Situation(NamedTuple):
    """One decision that the target is asked about."""

    line: LogLine
    ask: Ask | None = None
    prior: Prior | None = None
    """What the decision knew, and the prior that it rested on; None when only the log's file is there."""


Target = Callable[[Situation], Floats | None]
"""The probability of each combination; None when a pause, lock or exclusion leaves it nothing to show."""


def read(text: str) -> Description:
    """A description in JSON or TOML, or a bare name.

    Raises:
        ValueError: what is wrong, and where.
    """
    name = text.strip().strip('"')
    if name in NAMED:
        return Description(policy=msgspec.convert(name, Named))
    try:
        raw = msgspec.json.decode(text) if text.lstrip().startswith("{") else tomllib.loads(text)
        description = msgspec.convert(raw, Description)
    except (msgspec.DecodeError, msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
        raise ValueError(str(error)) from error
    said = (description.approach, description.table, description.policy, description.learner)
    if sum(each is not None for each in said) != 1:
        raise ValueError("exactly one of approach, table, policy and learner says what the policy is")
    return description


def target(description: Description, approaches: Approaches, policy: Policy, prior: Prior | None) -> Target:
    """The policy described; `policy` and `prior` are those in force.

    Raises:
        ValueError: an unknown dimension or option, or a setting that is out of range.
    """
    if description.learner is not None:
        return _learner(_changed(policy, description.learner), approaches)
    if description.policy == "control":
        return _control(replace(policy, mode="learning"), approaches)
    if description.policy == "default" and prior is not None:
        return _fixed(_one(population(prior, approaches).default, approaches), approaches)
    if description.approach is not None:
        return _fixed(_one(numbered(description.approach, approaches), approaches), approaches)
    return _table(description.table or [], description.otherwise, approaches)


def context_features(context: LogContext, task_types: list[str]) -> list[float]:
    """1, then whether it is each level, then whether it is each of these task types."""
    levels = [float(context.complexity == level) for level in LEVELS[1:]]
    return [1.0, *levels, *(float(context.task_type == each) for each in task_types)]


def _changed(policy: Policy, change: _LearnerChange) -> Policy:
    weights = structs.asdict(change.weights) if change.weights else {}
    weights = {name: value for name, value in weights.items() if value is not None}
    settings = {
        "temperature": change.temperature,
        "population_temperature": change.population_temperature,
        "explore_floor": change.explore_floor,
        "decay": change.decay,
    }
    for name, value in settings.items():
        if value is not None and not 0.0 <= value <= (10.0 if name.endswith("temperature") else 1.0):
            raise ValueError(f"learner: {name} is out of range: {value}")
    said = {name: value for name, value in settings.items() if value is not None}
    return replace(policy, mode="learning", weights=replace(policy.weights, **weights), **said)


def _learner(policy: Policy, approaches: Approaches) -> Target:
    def told(situation: Situation) -> Floats | None:
        if situation.ask is None or situation.prior is None:
            return None
        return propensities([situation.ask], situation.prior, policy, approaches)[0]

    return told


def _control(policy: Policy, approaches: Approaches) -> Target:
    def told(situation: Situation) -> Floats | None:
        if situation.ask is None or situation.prior is None:
            return None
        ask = structs.replace(situation.ask, control=True)
        return _one(choose([ask], situation.prior, policy, approaches)[0].combination, approaches)

    return told


def _fixed(wanted: Floats, approaches: Approaches) -> Target:
    return lambda situation: _permitted(wanted, situation.line, approaches)


def _table(
    cases: list[_Case], otherwise: dict[str, str] | Literal["uniform"], approaches: Approaches
) -> Target:
    known = [(case, _one(numbered(case.approach, approaches), approaches)) for case in cases]
    rest = np.full(approaches.count, 1.0 / approaches.count)
    if otherwise != "uniform":
        rest = _one(numbered(otherwise, approaches), approaches)

    def told(situation: Situation) -> Floats | None:
        matching = (wanted for case, wanted in known if case.matches(situation.line.context))
        return _permitted(next(matching, rest), situation.line, approaches)

    return told


def _one(combination: int, approaches: Approaches) -> Floats:
    probabilities = np.zeros(approaches.count)
    probabilities[combination] = 1.0
    return probabilities


def _permitted(wanted: Floats, line: LogLine, approaches: Approaches) -> Floats | None:
    """The same within what was offered then, and locks and exclusions allow."""
    left = np.where(allowed(line, approaches), wanted, 0.0)
    total = float(left.sum())
    return left / total if total > 0.0 else None
