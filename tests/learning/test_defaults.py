"""The population's defaults, on numbers that are worked out by hand."""

import numpy as np
import pytest
from histories import COLD, PAPER, WARM, prior

from amp.learning import rows
from amp.learning.approaches import PUBLISHED
from amp.learning.defaults import defaults, known_contexts
from amp.learning.effects import ANY_OTHER_TASK, PopulationEffects
from amp.learning.prior import POPULATION_DRAWS, shipped
from amp.learning.types import Context


def test_on_paper():
    """Two options, warm at 0.5 + c and cold at 0.5 - c with c = 0.1 / sqrt(2); the draws tell how sure."""
    on = prior(PAPER, mean=[0.5, 0.1], sd=0.2, noise=0.12)
    on.mean_draws[:16, 1] = -0.1
    (told,) = defaults(on, Context(), PAPER)
    half = 0.1 / 2**0.5
    assert told.option == WARM
    assert told.expected_reward == pytest.approx(0.5 + half)
    assert told.lead == pytest.approx(2 * half)
    assert told.probability_best == 48 / 64
    among_users = 0.2**2 + 0.2**2 / 2  # of the intercept and of the contrast's half
    of_the_mean = np.var(np.r_[np.full(16, -half), np.full(48, half)])
    assert told.strength == pytest.approx(0.12 / (among_users + of_the_mean))


def test_a_population_of_which_nothing_is_known_leads_nowhere():
    for told in defaults(shipped(PUBLISHED), Context(), PUBLISHED):
        assert told.lead == 0.0
        assert told.expected_reward == pytest.approx(0.5)
        assert 0.1 < told.probability_best < 0.45
    assert known_contexts(shipped(PUBLISHED)) == [Context(0, level) for level in range(4)]


def effects():
    """Hard tasks and debugging favour cold; both together all the more."""
    versions, (count, p) = 1 + POPULATION_DRAWS, PAPER.design.shape
    levels, tasks = np.zeros((versions, 4, p)), np.zeros((versions, 2, p))
    levels[:, 3, 1] = tasks[:, 0, 1] = -0.15
    return PopulationEffects(
        sizes=PAPER.sizes,
        design=PAPER.design,
        pairs=np.zeros((versions, count)),
        levels=levels,
        tasks=tasks,
        hashes=np.array([rows.task_hash("debugging"), ANY_OTHER_TASK]),
    )


def test_each_context_has_its_own_default():
    on, debugging = prior(PAPER, mean=[0.5, 0.1], effects=effects()), rows.task_hash("debugging")
    assert known_contexts(on) == [Context(task, level) for task in (0, debugging) for level in range(4)]
    told = {context: defaults(on, context, PAPER)[0] for context in known_contexts(on)}
    assert {context for context, each in told.items() if each.option == COLD} == {
        Context(0, 3),
        *(Context(debugging, level) for level in range(4)),
    }
    assert told[Context(debugging, 3)].lead == pytest.approx(0.2 * 2**0.5)
    assert told[Context(debugging, 0)].lead == pytest.approx(0.05 * 2**0.5)
    assert defaults(on, Context(rows.task_hash("unheard of"), 3), PAPER)[0] == told[Context(0, 3)]
