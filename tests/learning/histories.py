"""Small histories, priors and approaches to think with on paper."""

import numpy as np

from amp.learning import rows
from amp.learning.approaches import Approaches, Dimension
from amp.learning.effects import NoEffects
from amp.learning.prior import POPULATION_DRAWS, Prior
from amp.learning.types import Signals

PAPER = Approaches((Dimension("tone", "preferredTone", "toneConfidence", ("warm", "cold")),))
WARM, COLD = 0, 1

NEVER_STARTED = Signals(started=False)
UNFINISHED = Signals(started=True, completed=False)
COMPLETED = Signals(started=True, completed=True)
START_MS = 1_700_000_000_000


def packed(outcomes, *, first=0):
    """One packed row an outcome (combination, signals), a second apart."""
    return [
        rows.pack(
            rows.Decision(
                nonce=1000 + index,
                decided_ms=START_MS + 1000 * index,
                combination=combination,
                task_hash=0,
                level=0,
                hour=0,
                policy_version=1,
                prior_version=0,
            ),
            signals,
            fingerprint=b"finger",
            final=True,
            step=0,
        )
        for index, (combination, signals) in enumerate(outcomes, first)
    ]


def history(*outcomes):
    return rows.unpack(b"".join(packed(outcomes)))


def prior(approaches, *, mean=None, sd=0.2, noise=0.15, population_sd=0.0, effects=None, crowd=(0, 0)):
    """Independent coefficients; `crowd` is (users, rows)."""
    p = approaches.design.shape[1]
    centre = np.r_[0.5, np.zeros(p - 1)] if mean is None else np.asarray(mean, float)
    spread = np.random.default_rng(5).standard_normal((POPULATION_DRAWS, p)) * population_sd
    return Prior(
        version=1,
        mean=centre,
        precision=np.eye(p) / np.square(sd),
        noise=noise,
        mean_draws=centre + spread,
        users=crowd[0],
        rows=crowd[1],
        effects=effects or NoEffects(),
    )
