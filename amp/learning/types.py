"""The words of the room: signals, evidence weights, policy, preferences, what is asked and what is chosen."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Draws = npt.NDArray[np.float32]
History = npt.NDArray[np.void]
"""A user's rows, `rows.ROW` records in decided order (oldest first), at most the newest 512."""

LEVELS = ("", "low", "medium", "high")
"""The request's `complexity`, by the number that a row keeps; 0 is "not said"."""
LEARNING_FROM, OPTIMISED_FROM = 5, 20
"""Interactions at which a profile's phase changes. Contract: amp.md, Phases."""
PHASES = ("cold_start", "learning", "optimised")


@dataclass(frozen=True, slots=True)
class Signals:
    """What one outcome reported. `None` is "not said". Contract: amp.md, POST /v1/outcome."""

    started: bool
    completed: bool | None = None
    time_to_start_ms: int | None = None
    flow_state: bool | None = None
    satisfaction: float | None = None


@dataclass(frozen=True, slots=True)
class Weights:
    """Strength of each signal in the reward. Source: learning.md section 1, Reward."""

    never_started: float = -1.0
    started: float = -0.25
    completed: float = 0.60
    flow: float = 0.15
    speed: float = 0.15
    speed_half_life_s: float = 900.0
    satisfaction: float = 0.10


Learner = Literal["hierarchical", "beta"]
"""What decides: the model of learning.md, or per-user Beta counts, for those who doubt it."""
Mode = Literal["learning", "frozen", "shadow"]
"""Frozen: decides with what was known at `frozen_ms`. Shadow: decides and logs, serves the baseline."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a tenant's decisions are made; a change is a new version, carried by every token and row."""

    version: int = 1
    learner: Learner = "hierarchical"
    mode: Mode = "learning"
    frozen_ms: int = 0
    """When learning was frozen: what was reported later is kept and does not count until it thaws.

    A staged report that replaced an earlier one after that is gone with the earlier one: neither counts. Of a
    user who goes on reporting, rows of before go as new ones come: only the newest 512 are kept.
    """
    frozen_prior: int | None = None
    """The prior that stood then; None is the one that stands now."""
    baseline: tuple[int, ...] | None = None
    """The operator's own approach, one option a dimension: what control users and a shadow are served."""
    weights: Weights = Weights()
    decay: float = 0.98
    """Weight of a row per later interaction of the same user."""
    temperature: float | None = None
    """v: the share of a user's posterior spread that a decision's draw uses; None is what self-play found."""
    population_temperature: float = 0.5
    """The share of the population posterior's spread that a decision's draw uses."""
    explore_floor: float = 0.01
    """Share of decisions drawn uniformly over the allowed combinations."""
    control_share: float = 0.05
    """Share of users who get the population's default and teach nobody."""
    outcome_window_ms: int = 86_400_000
    """How long after its decision an outcome counts."""
    widened_ms: int = 0
    """When the window was last widened; what was decided before keeps the earlier one."""
    earlier_window_ms: int = 0

    def window_ms(self, decided_ms: int) -> int:
        """How long after this decision its outcome counts.

        A wider window lets nothing in again: an erasure may have been forgotten with the earlier one.
        """
        if decided_ms < self.widened_ms:
            return min(self.earlier_window_ms, self.outcome_window_ms)
        return self.outcome_window_ms


class Preference(NamedTuple):
    """A manual choice in one dimension: a strong prior, or with `locked` the only option."""

    option: int
    locked: bool = False
    since_ms: int = 0
    """When it was stated: only outcomes of later decisions speak against it."""


class Context(NamedTuple):
    """What the request says of the task: `task_hash` 0 is "no taskType", `level` indexes LEVELS."""

    task_hash: int = 0
    level: int = 0


class Effects(Protocol):
    """Population offsets off(c, a): what a context adds to each combination, for every user alike."""

    def table(self, context: Context) -> Floats:
        """Offsets of every combination; shape (1 + POPULATION_DRAWS, count), row 0 their mean."""
        ...

    def drawn(self, context: Context, share: float) -> Floats:
        """`table` with its draws only this share as far from their mean; same shape."""
        table = self.table(context)
        return table[0] + share * (table - table[0])

    def options(self, context: Context) -> Floats:
        """`table` averaged over the other dimensions; shape (1 + POPULATION_DRAWS, sum of options)."""
        ...

    def option_draws(self, context: Context) -> Draws:
        """The draws of `options`, in single precision; shape (sum of options, POPULATION_DRAWS)."""
        return np.ascontiguousarray(self.options(context)[1:].T, np.float32)

    def at(self, history: History) -> Floats:
        """The mean offset of each row's context and combination; shape (n,)."""
        ...

    def drawn_at(self, history: History) -> Floats:
        """The same in every draw; shape (n, POPULATION_DRAWS), or (n, 1) where all are alike."""
        return self.at(history)[:, None]


class Ask(msgspec.Struct, frozen=True, gc=False):
    """One decision to make: everything that `choice.choose` may look at."""

    history: History
    context: Context
    nonce: int
    """64 random bits; every draw of this decision is a function of them."""
    preferences: tuple[Preference | None, ...] = ()
    """One a dimension, or empty when the user has none."""
    control: bool = False
    excluded: int = 0
    """Options that must not be picked: a bit each, numbered over all dimensions, the first the lowest."""


class Choice(msgspec.Struct, frozen=True, gc=False):
    """One decision made."""

    combination: int
    floored: bool
    """The uniform floor decided."""
    explored: bool
    """The floor, or a draw off the posterior mean's choice, decided (`explorationMode`)."""
    confidence: float
    """Mean over the dimensions of P(the shown option is the best of its dimension)."""
    dimension_confidence: tuple[float, ...]
    user_weight: float
    """1 - tr(P^-1)/tr(S): 0 without rows, and for a control, whose answer owes them nothing."""
    shadow: int | None = None
    """What would have been picked, where the operator's baseline is served instead (shadow mode)."""
