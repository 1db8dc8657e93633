"""Streams of users, what a run is worth, and that luck is the same for every policy."""

from dataclasses import replace

import numpy as np
import pytest

from amp.learning.approaches import PUBLISHED
from amp.simulate import streams, worlds
from amp.simulate.compare import compare, estimate, smooth
from amp.simulate.lineup import LINEUP, introduce
from amp.simulate.rivals import BestFixed, Fixed, Uniform
from amp.simulate.run import run
from amp.simulate.score import BINS, score


def a_stream(name="c", users=40, seed=1):
    return streams.stream(worlds.make(name, users, seed, PUBLISHED), seed)


class Oracle:
    """Knows every user's utilities."""

    def __init__(self, stream):
        self.world = stream.world

    def decide(self, turn):
        return self.world.utilities(turn.users, turn.contexts).argmax(axis=1)

    def hear(self, turn, rows): ...

    def rest(self): ...


class Listening(Fixed):
    """Chooses one combination, and keeps what it hears by the interaction's nonce."""

    def __init__(self, combination):
        super().__init__(combination)
        self.heard = {}

    def hear(self, turn, rows):
        for nonce, row in zip(turn.nonces.tolist(), rows, strict=True):
            self.heard[nonce] = row.tobytes()


def test_the_same_seed_makes_the_same_stream_and_another_seed_another():
    one, same, other = a_stream(), a_stream(), a_stream(seed=2)
    for name in ("arrives", "stays", "contexts", "chance"):
        assert np.array_equal(getattr(one, name), getattr(same, name))
        assert not np.array_equal(getattr(one, name), getattr(other, name))


def test_everybody_acts_once_a_round_as_often_as_they_stay():
    stream = a_stream()
    acted = np.zeros(40, int)
    for now in range(stream.rounds):
        acted[stream.present(now)] += 1
    assert np.array_equal(acted, stream.stays)
    assert stream.present(stream.rounds).size == 0
    assert set(stream.stays.tolist()) <= set(streams.LIFETIMES)


def test_lifetimes_and_late_users_have_the_shares_they_should():
    stream = a_stream(users=4000)
    for stay, share in streams.LIFETIMES.items():
        assert np.mean(stream.stays == stay) == pytest.approx(share, abs=0.03)
    assert stream.late.mean() == pytest.approx(1 - streams.LATE_FROM, abs=0.03)


def test_policies_that_choose_the_same_hear_the_same():
    stream = a_stream()
    one, other = Listening(77), Listening(77)
    assert np.array_equal(run(stream, one), run(stream, other))
    assert one.heard == other.heard
    assert len(one.heard) == stream.interactions


def test_policies_that_choose_otherwise_hear_otherwise_on_the_same_luck():
    stream = a_stream()
    one, other = Listening(77), Listening(12)
    run(stream, one)
    run(stream, other)
    assert one.heard != other.heard


def test_the_oracle_captures_all_and_a_random_choice_nothing():
    stream = a_stream(users=300)
    whole = score(stream, run(stream, Oracle(stream)))
    assert whole.everybody == pytest.approx(np.ones(len(BINS)))
    assert whole.late == pytest.approx(np.ones(len(BINS)))
    nothing = score(stream, run(stream, Uniform(PUBLISHED, np.random.default_rng(1))))
    # about 0.4 of the gap is the spread of one choice; a bin has some 1500 of them and more
    assert nothing.everybody == pytest.approx(np.zeros(len(BINS)), abs=0.05)
    assert np.nanmean(nothing.by_interaction) == pytest.approx(0.0, abs=0.03)


def test_no_single_approach_is_better_than_the_best_fixed_one():
    stream = a_stream(users=100)
    best = run(stream, BestFixed(stream)).mean()
    others = [run(stream, Fixed(each)).mean() for each in range(0, 256, 16)]
    assert best >= max(others) - 0.01
    assert best > np.mean(others) + 0.05


def test_a_bin_that_nobody_reaches_has_no_share():
    stream = a_stream(users=10)
    short = replace(stream, stays=np.full(10, 5), contexts=stream.contexts[:50], chance=stream.chance[:50])
    found = score(short, run(short, Fixed(3)))
    assert np.isfinite(found.everybody[0])
    assert np.isnan(found.everybody[1:]).all()
    assert np.isnan(found.by_interaction[5:]).all()


# Comparing


def test_standard_errors_are_those_of_the_seeds_that_have_a_value():
    values = [np.array([1.0, 0.5]), np.array([3.0, np.nan]), np.array([5.0, 0.7])]
    found = estimate(values)
    assert found.mean == pytest.approx([3.0, 0.6])
    assert found.error == pytest.approx([2.0 / np.sqrt(3), 0.1])
    assert estimate(values[:1]).error is None


def test_smoothing_keeps_the_first_interactions_and_averages_late_ones_with_their_neighbours():
    values = np.arange(200.0)
    values[150] = np.nan
    smoothed = smooth(values)
    assert np.array_equal(smoothed[:7], values[:7])
    assert smoothed[99] == pytest.approx(99.0)
    assert np.isfinite(smoothed).all()
    assert np.isnan(smooth(np.full(20, np.nan))).all()


def test_every_policy_of_the_line_up_plays_and_those_that_learn_beat_those_that_do_not():
    heard = dict.fromkeys(LINEUP, 0.0)

    def told(policy, _, share):
        heard[policy] += share

    results = {
        each.policy: each.everybody.mean
        for each in compare("c", 40, [1], LINEUP, approaches=PUBLISHED, told=told)
    }
    assert list(results) == list(LINEUP)
    assert all(shares == pytest.approx(1.0) for shares in heard.values())
    assert results["uniform"][:3] == pytest.approx(np.zeros(3), abs=0.15)
    assert results["known-prior"][1] > results["ours"][1] > results["user-beta"][1]
    assert results["best-fixed"][0] > 0.4
    assert len({introduce(name) for name in LINEUP}) == len(LINEUP)


def test_who_else_plays_changes_nothing_for_a_policy():
    alone, among = (
        compare("d", 10, [2], {name: LINEUP[name] for name in names}, approaches=PUBLISHED)[-1]
        for names in (("ours",), ("uniform", "factored-beta", "ours"))
    )
    assert np.array_equal(alone.scores[0].everybody, among.scores[0].everybody)
