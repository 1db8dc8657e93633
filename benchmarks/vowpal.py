"""Vowpal Wabbit in the simulation: contextual bandits with action-dependent features, squarecb."""

import tempfile
from bisect import bisect_right
from itertools import accumulate, combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np

from amp.learning import reward
from amp.learning.approaches import Approaches
from amp.learning.types import History, Ints, Policy
from amp.simulate.streams import Turn
from amp.simulate.worlds import CONTEXTS
from benchmarks.libraries import VOWPAL_WABBIT, library

_WEIGHTS = Policy().weights
_OPTIONS = "ABCDEFGHIJKLM"
"""A namespace for each dimension; T, L and U are those of task type, level and user."""
Sees = Literal["context", "context and user", "user"]


class VowpalWabbit:
    """One model for all: options and their pairs, and what `sees` says crossed with the options.

    The actions are parsed once and shown again at each decision, which is 8 times faster than to parse text
    at each. "user" alone is a bandit of each user's own: only weights of user x option.
    """

    def __init__(
        self,
        approaches: Approaches,
        rng: np.random.Generator,
        *,
        gamma_scale: float,
        sees: Sees = "context",
        learning_rate: float = 0.5,
    ) -> None:
        self._rng, self._sees = rng, sees
        options = _OPTIONS[: len(approaches.sizes)]
        with_whom = {"context": "TL", "context and user": "TLU", "user": "U"}[sees]
        pairs = [f"{one}{other}" for one in with_whom for other in options]
        linear = [f"--ignore_linear {each}" for each in options] if sees == "user" else []
        if sees != "user":
            pairs += ["".join(pair) for pair in combinations(options, 2)]
        said = [
            f"--cb_explore_adf --squarecb --gamma_scale {gamma_scale} -l {learning_rate}",
            f"-b {18 if sees == 'context' else 20} --quiet",
            *linear,
            *(f"-q {pair}" for pair in pairs),
        ]
        self._vw: Any = library(VOWPAL_WABBIT).Workspace(" ".join(said))
        self._lines = [
            " ".join(f"|{name} {name}{option}" for name, option in zip(options, row, strict=True))
            for row in approaches.options_of.tolist()
        ]
        self._actions: list[Any] = self._vw.parse("\n".join(["shared |T any", *self._lines]))[1:]
        self._shared: dict[tuple[int, int], Any] = {}
        self._odds: list[float] = []

    def decide(self, turn: Turn) -> Ints:
        chosen: list[int] = []
        self._odds = []
        for user, context, _ in turn.each():
            odds: list[float] = self._vw.predict([self._of(user, context), *self._actions])
            chances = list(accumulate(odds))
            pick = bisect_right(chances, self._rng.random() * chances[-1])
            chosen.append(min(pick, len(odds) - 1))
            self._odds.append(odds[chosen[-1]])
        return np.array(chosen)

    def hear(self, turn: Turn, rows: History) -> None:
        costs = 1.0 - reward.rewards(rows, _WEIGHTS)
        told = zip(turn.each(), rows["combination"].tolist(), costs.tolist(), self._odds, strict=True)
        for (user, context, _), action, cost, odds in told:
            labelled = self._vw.parse(f"shared |T any\n0:{cost:.6f}:{odds:.8f} {self._lines[action]}")
            actions = [*self._actions]
            actions[action] = labelled[1]
            self._vw.learn([self._of(user, context), *actions])
            self._vw.finish_example(labelled)

    def rest(self) -> None: ...

    def state_bytes(self) -> int:
        """Of the model as it saves itself: weights that are not 0, with what it needs to go on learning."""
        with tempfile.TemporaryDirectory() as folder:
            saved = Path(folder) / "model"
            self._vw.save(saved)
            return saved.stat().st_size

    def _of(self, user: int, context: int) -> Any:
        """The shared example of one user and context, parsed once."""
        key = (user if "user" in self._sees else -1, context if "context" in self._sees else -1)
        if key not in self._shared:
            task, level = CONTEXTS[context]
            who = f" |U u{user}" if "user" in self._sees else ""
            what = f" |T t{task} |L l{level}" if "context" in self._sees else ""
            self._shared[key] = self._vw.parse(f"shared{what}{who}\n{self._lines[0]}")[0]
        return self._shared[key]
