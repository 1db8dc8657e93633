"""What contexts and pairs of options add for everybody alike, fitted, served and published."""

import msgspec
import numpy as np
import pytest
import world

from amp.learning import crowd, fit, prior, reward, ridge, rows
from amp.learning.approaches import PUBLISHED
from amp.learning.effects import ANY_OTHER_TASK
from amp.learning.prior import POPULATION_DRAWS
from amp.learning.types import Context, Policy, Signals

POLICY = Policy()


@pytest.fixture(scope="module")
def taught():
    rng = np.random.default_rng(3)
    truth = world.contextual(rng, 400)
    histories = world.histories(rng, truth, 15)
    told = fit.fit(histories, prior.shipped(PUBLISHED), POLICY, PUBLISHED, np.random.default_rng(1))
    return truth, histories, told.prior


def explained(share_of, truth):
    """Correlation of offsets with what contexts truly add to the expected reward."""
    return np.corrcoef(np.ravel(share_of), np.ravel(truth))[0, 1]


def test_the_fit_finds_what_contexts_add(taught):
    truth, _, fitted = taught
    expected = world.expected_reward(truth.added)
    told = np.array([fitted.effects.table(context)[0] for context in world.CONTEXTS])
    assert explained(told, expected - expected.mean(axis=0)) > 0.85


def test_where_contexts_add_nothing_they_are_hardly_ever_fitted():
    """Eight worlds in which only users differ: chance alone passes two standard errors in one of forty."""
    kept = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        histories = world.histories(rng, world.personal(rng, 100), 10)
        told = fit.fit(histories, prior.shipped(PUBLISHED), POLICY, PUBLISHED, rng)
        assert told.better
        kept += told.prior.effects is not None
    assert kept <= 1


def test_an_unknown_context_adds_only_what_pairs_of_options_do(taught):
    effects = taught[2].effects
    assert np.array_equal(effects.table(Context()), effects.pairs)
    assert np.array_equal(effects.table(Context(task_hash=7)), effects.pairs)
    assert not np.allclose(effects.table(Context(level=2)), effects.pairs)
    assert not np.allclose(effects.table(Context(task_hash=11)), effects.pairs)


def test_a_row_is_offset_by_its_own_context_and_combination(taught):
    _, histories, fitted = taught
    history = histories[0]
    tables = [
        fitted.effects.table(Context(int(row["task_hash"]), int(row["circumstance"]) & rows.LEVEL_MASK))
        for row in history
    ]
    expected = [table[0, row["combination"]] for table, row in zip(tables, history, strict=True)]
    assert np.allclose(fitted.effects.at(history), expected, atol=1e-12)
    assert fitted.effects.at(history[:0]).shape == (0,)


def test_an_options_offset_is_the_mean_over_its_combinations(taught):
    effects = taught[2].effects
    options = effects.options(Context(11, 2))
    assert options.shape == (1 + POPULATION_DRAWS, 16)
    of = PUBLISHED.options_of[:, 1] == 2
    assert np.allclose(options[:, 4 + 2], effects.table(Context(11, 2))[:, of].mean(axis=1), atol=1e-12)


def test_the_draws_surround_the_mean(taught):
    table = taught[2].effects.table(Context(11, 2))
    assert np.allclose(table[1:].mean(axis=0), table[0], atol=1e-12)
    assert 0.005 < table[1:].std(axis=0).mean() < 0.1


def test_a_task_type_needs_outcomes_enough():
    """199 of one type and 200 of another: only the other is known; rows without a type never are."""
    packed = [
        world.row(nonce, 0, Signals(started=True), context=Context(task_hash))
        for nonce, task_hash in enumerate([9] * 199 + [5] * 200 + [0] * 300)
    ]
    history = np.frombuffer(b"".join(packed), rows.ROW)
    assert ridge.task_types(history).tolist() == [5, ANY_OTHER_TASK]


def test_the_ridge_is_the_regression_worked_out_in_full(taught):
    """Referee: one dense regression with a row a report and a column an effect, at the same variances."""
    _, histories, _ = taught
    gathered = crowd.gather(histories[:20], POLICY)
    residuals = reward.rewards(gathered.history, POLICY.weights) - 0.4
    hashes = np.array([11, 33, ANY_OTHER_TASK])
    layout = ridge._Layout(PUBLISHED.pair_contrasts, PUBLISHED.design, len(hashes))
    gram, pull = ridge._sums(gathered, residuals, hashes, layout)
    phi = np.zeros((len(gathered.history), layout.size))
    for index, row in enumerate(gathered.history):
        task = {11: 0, 33: 1}.get(int(row["task_hash"]), 2)
        level = int(row["circumstance"]) & rows.LEVEL_MASK
        x = PUBLISHED.design[row["combination"]]
        phi[index, :54] = layout.pairs[row["combination"]]
        phi[index, 54 + 13 * level : 54 + 13 * (level + 1)] = x
        phi[index, 54 + 13 * (4 + task) : 54 + 13 * (5 + task)] = x
    weighted = phi * gathered.weights[:, None]
    assert np.allclose(gram, weighted.T @ phi)
    assert np.allclose(pull, weighted.T @ residuals)


def test_effects_that_explain_nothing_shrink_to_nothing():
    rng = np.random.default_rng(6)
    groups = np.repeat([0, 1], 40)
    features = rng.standard_normal((4_000, 80))
    theta = np.where(groups == 0, rng.normal(0.0, 0.1, 80), 0.0)
    y = features @ theta + rng.standard_normal(4_000)
    mean, covariance = ridge._ridge(features.T @ features, features.T @ y, groups)
    assert np.abs(mean[groups == 0] - theta[groups == 0]).max() < 0.06
    assert np.abs(mean[groups == 1]).max() < 0.03
    assert np.diag(covariance)[groups == 1].max() < np.diag(covariance)[groups == 0].min()


def test_effects_are_published_with_the_prior_to_the_bit(taught):
    fitted = taught[2]
    blob = prior.encode(fitted)
    read = prior.decode(blob).effects
    assert len(blob) < 400_000
    for context in (*world.CONTEXTS, Context()):
        assert np.array_equal(read.table(context), fitted.effects.table(context))
    assert np.array_equal(read.at(taught[1][0]), fitted.effects.at(taught[1][0]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sizes", (4, 4, 4)),
        ("sizes", (-4, -64)),
        ("sizes", ()),
        ("hashes", (11, 22, 33, 44)),
        ("hashes", (22, 11, 33, 44, ANY_OTHER_TASK)),
        ("hashes", (0, 22, 33, 44, ANY_OTHER_TASK)),
        ("hashes", (11, 22, 33, ANY_OTHER_TASK, ANY_OTHER_TASK + 1)),
        ("hashes", ()),
        ("levels", prior.Array.of(np.zeros((65, 3, 13)))),
    ],
)
def test_effects_that_no_fit_can_have_made_are_a_value_error(taught, name, value):
    blob = msgspec.msgpack.decode(prior.encode(taught[2]))
    with pytest.raises(ValueError):
        prior.decode(msgspec.msgpack.encode({**blob, "effects": {**blob["effects"], name: value}}))
