"""Off-policy estimates on logs of the real learner in a world whose truth is known, and against obp's own."""

import subprocess
import sys
import types
from dataclasses import replace
from functools import cache
from importlib.util import find_spec

import crowds
import numpy as np
import pytest

from amp.learning import reward, rows
from amp.learning.approaches import Approaches, Dimension
from amp.learning.choice import choose
from amp.learning.evaluation import Sample, evaluate, predicted
from amp.learning.prior import shipped
from amp.learning.propensity import propensities
from amp.learning.types import Ask, Policy
from amp.simulate import worlds

SMALL = Approaches(
    (
        Dimension("tone", "preferredTone", "toneConfidence", ("warm", "cold", "plain")),
        Dimension("length", "preferredLength", "lengthConfidence", ("short", "long")),
    )
)
PRIOR = shipped(SMALL)
POLICY = Policy(temperature=1.0, population_temperature=1.0, explore_floor=0.2)
USERS, ROUNDS, DRAWS = 60, 10, 64
WARMER = replace(POLICY, temperature=2.0)


def fixed(_, n):
    """One approach for all."""
    return np.tile(np.eye(SMALL.count)[3], (n, 1))


def uniform(_, n):
    return np.full((n, SMALL.count), 1.0 / SMALL.count)


def warmer(asks, _):
    """The learner itself at another temperature, knowing what was known then."""
    return propensities(asks, PRIOR, WARMER, SMALL, DRAWS)


TARGETS = (fixed, uniform, warmer)


def logged(seed):
    """A log of `choose` in a world of its own: (asks, users, contexts, picked, rewards, values of all)."""
    rng = np.random.default_rng(seed)
    p = SMALL.design.shape[1]
    tastes = np.r_[0.0, rng.normal(0.0, 0.5, p - 1)] + rng.normal(0.0, 0.5, (USERS, p))
    added = rng.normal(0.0, 0.4, (3, p)) @ SMALL.design.T
    packed = [b""] * USERS
    told = []
    for round_ in range(ROUNDS):
        levels = rng.integers(3, size=USERS)
        asks = [
            Ask(
                rows.unpack(packed[user]),
                worlds.CONTEXTS[levels[user]],
                (seed * ROUNDS + round_) * USERS + user + 1,
            )
            for user in range(USERS)
        ]
        for user, choice in enumerate(choose(asks, PRIOR, POLICY, SMALL)):
            eta = tastes[user] @ SMALL.design.T + added[levels[user]]
            signals = crowds.emit(rng, eta[choice.combination])
            nonce = round_ * USERS + user
            packed[user] += crowds.row(nonce, choice.combination, signals, context=asks[user].context)
            earned = reward.reward(signals, POLICY.weights)
            told.append((asks[user], user, levels[user], choice.combination, earned, eta))
    return told


@cache
def outcome(seed):
    """For each target: its true value in this log, the mean reward of the log, and its evaluation."""
    told = logged(seed)
    asks, _, _, picked, _, etas = (list(each) for each in zip(*told, strict=True))
    values = worlds.expected_reward(np.array(etas))
    known = propensities(asks, PRIOR, POLICY, SMALL, DRAWS)
    each = np.arange(len(asks))
    return [
        (float((wanted * values).sum(axis=1).mean()), evaluate(_sample(told, wanted, known[each, picked])))
        for wanted in (target(asks, len(asks)) for target in TARGETS)
    ]


def _sample(told, wanted, probabilities):
    _, users, levels, picked, rewards, _ = (list(each) for each in zip(*told, strict=True))
    picked, levels = np.array(picked), np.array(levels)
    return Sample(
        users=np.array(users),
        rewards=np.array(rewards),
        propensities=probabilities,
        targets=wanted[np.arange(len(picked)), picked],
        shown=SMALL.design[picked],
        wanted=wanted @ SMALL.design,
        contexts=np.column_stack([np.ones(len(picked)), *(1.0 * (levels == k) for k in range(3))]),
    )


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_truth_lies_in_the_interval_as_often_as_stated_and_the_doubly_robust_estimate_errs_less():
    """40 worlds, three targets: of 120 intervals at 95 %, 105 or more hold the truth (4 standard errors)."""
    told = [each for seed in range(40) for each in outcome(seed)]
    truths = np.array([truth for truth, _ in told])
    for name in ("ips", "snips", "dr"):
        estimates = [getattr(each, name) for _, each in told]
        low, value, high = np.array([(one.low, one.value, one.high) for one in estimates]).T
        assert np.mean((low <= truths) & (truths <= high)) > 0.95 - 4 * (0.95 * 0.05 / len(told)) ** 0.5
        errors = np.array([one.standard_error for one in estimates])
        assert np.std((value - truths) / errors) == pytest.approx(1.0, abs=0.3), "errors as large as stated"
        assert abs(np.mean((value - truths) / errors)) < 4 / len(told) ** 0.5 * 1.2, "no bias"
    error = {name: np.sqrt(np.mean([(getattr(each, name).value - truth) ** 2 for truth, each in told]))
             for name in ("ips", "dr")}  # fmt: skip
    assert error["dr"] <= error["ips"]


def test_in_one_world_every_estimate_is_within_four_of_its_errors_of_the_truth():
    for truth, told in outcome(1000):
        for one in (told.ips, told.snips, told.dr):
            assert abs(one.value - truth) < 4 * one.standard_error
        assert told.weight_mean == pytest.approx(1.0, abs=0.25)
        assert told.effective_sample_size < USERS * ROUNDS


@pytest.mark.skipif(find_spec("obp") is None, reason="obp is not installed: pip install --no-deps obp")
def test_estimates_are_those_of_the_open_bandit_pipeline():
    """In a process of its own, because obp asks for torch on import and its estimators never use it."""
    program = "from test_off_policy import compare_with_obp; compare_with_obp()"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=__file__.rpartition("/")[0])


def compare_with_obp():
    """IPS, SNIPS and DR of one log, ours and obp's, with the same reward model."""
    _stand_in_for_torch()
    from obp.ope.estimators import (
        DoublyRobust,
        InverseProbabilityWeighting,
        SelfNormalizedInverseProbabilityWeighting,
    )

    told = logged(7)
    asks, _, _, picked, rewards, _ = (list(each) for each in zip(*told, strict=True))
    known = propensities(asks, PRIOR, POLICY, SMALL, DRAWS)[np.arange(len(asks)), picked]
    for target in TARGETS:
        wanted = target(asks, len(asks))
        one = _sample(told, wanted, known)
        ours = evaluate(one)
        model = np.column_stack(
            [predicted(replace(one, wanted=np.tile(x, (len(asks), 1))))[1] for x in SMALL.design]
        )
        log = {
            "reward": np.array(rewards),
            "action": np.array(picked),
            "pscore": known,
            "action_dist": wanted[:, :, None],
        }
        theirs = [
            InverseProbabilityWeighting().estimate_policy_value(**log),
            SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(**log),
            DoublyRobust().estimate_policy_value(**log, estimated_rewards_by_reg_model=model[:, :, None]),
        ]
        np.testing.assert_allclose(
            [ours.ips.value, ours.snips.value, ours.dr.value], theirs, rtol=0, atol=1e-9
        )


def _stand_in_for_torch():
    """Modules of empty classes in torch's place, where torch is not installed."""
    if find_spec("torch"):
        return

    class StandIn(types.ModuleType):
        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
            return type(name, (), {})

    for name in (
        "torch",
        "torch.nn",
        "torch.nn.functional",
        "torch.optim",
        "torch.utils",
        "torch.utils.data",
    ):
        sys.modules[name] = StandIn(name)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, sys.modules[name])
