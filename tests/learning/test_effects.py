"""What contexts and pairs of options add for everybody alike, fitted, served and published."""

import crowds
import msgspec
import numpy as np
import pytest

from amp.learning import fit, prior, prior_wire, rows
from amp.learning.approaches import PUBLISHED
from amp.learning.effects import ANY_OTHER_TASK
from amp.learning.features import features
from amp.learning.prior import POPULATION_DRAWS
from amp.learning.types import Context, Policy, Signals
from amp.simulate import worlds

POLICY = Policy()


@pytest.fixture(scope="module")
def taught():
    rng = np.random.default_rng(3)
    truth = crowds.contextual(rng, 400)
    histories = crowds.histories(rng, truth, 15)
    told = fit.fit(histories, prior.shipped(PUBLISHED), POLICY, PUBLISHED, np.random.default_rng(1))
    return truth, histories, told.prior


def explained(share_of, truth):
    """Correlation of offsets with what contexts truly add to the expected reward."""
    return np.corrcoef(np.ravel(share_of), np.ravel(truth))[0, 1]


def test_the_fit_finds_what_contexts_add(taught):
    truth, _, fitted = taught
    expected = worlds.expected_reward(truth.added)
    told = np.array([fitted.effects.table(context)[0] for context in worlds.CONTEXTS])
    assert explained(told, expected - expected.mean(axis=0)) > 0.85


def test_where_contexts_add_nothing_hardly_anything_is_found():
    """A world in which only users differ: what contexts seem to add is a fraction of what options do.

    A fifth to a third, seeds 2 to 10; half in seed 1, whose population has hardly any tastes.
    """
    rng = np.random.default_rng(2)
    histories = crowds.histories(rng, crowds.personal(rng, 300), 15)
    told = fit.fit(histories, prior.shipped(PUBLISHED), POLICY, PUBLISHED, rng).prior
    tables = np.array([told.effects.table(context)[0] for context in worlds.CONTEXTS])
    assert (tables - tables.mean(axis=0)).std() < 0.4 * (PUBLISHED.design @ told.mean).std()


def test_an_unknown_context_adds_only_what_pairs_of_options_do(taught):
    effects = taught[2].effects
    assert np.array_equal(effects.table(Context()), effects.pairs)
    assert np.array_equal(effects.table(Context(task_hash=7)), effects.pairs)
    assert not np.allclose(effects.table(Context(level=2)), effects.pairs)
    assert not np.allclose(effects.table(Context(worlds.CONTEXTS[0].task_hash)), effects.pairs)


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
    """19 of one type and 20 of another: only the other is known; rows without a type never are."""
    packed = [
        crowds.row(nonce, 0, Signals(started=True), context=Context(task_hash))
        for nonce, task_hash in enumerate([9] * 19 + [5] * 20 + [0] * 300)
    ]
    history = np.frombuffer(b"".join(packed), rows.ROW)
    assert features(history, PUBLISHED).hashes.tolist() == [5, ANY_OTHER_TASK]


def test_the_commonest_task_types_are_known_when_there_are_many():
    """40 types with 20 to 59 outcomes each: the 32 with the most."""
    hashes = [number for number in range(1, 41) for _ in range(19 + number)]
    packed = [crowds.row(n, 0, Signals(started=True), context=Context(each)) for n, each in enumerate(hashes)]
    known = features(np.frombuffer(b"".join(packed), rows.ROW), PUBLISHED).hashes
    assert known.tolist() == [*range(9, 41), ANY_OTHER_TASK]


def test_effects_are_published_with_the_prior_to_the_bit(taught):
    fitted = taught[2]
    blob = prior_wire.encode(fitted)
    read = prior_wire.decode(blob).effects
    assert len(blob) < 400_000
    for context in (*worlds.CONTEXTS, Context()):
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
        ("levels", prior_wire.Array.of(np.zeros((65, 3, 13)))),
    ],
)
def test_effects_that_no_fit_can_have_made_are_a_value_error(taught, name, value):
    blob = msgspec.msgpack.decode(prior_wire.encode(taught[2]))
    with pytest.raises(ValueError):
        prior_wire.decode(msgspec.msgpack.encode({**blob, "effects": {**blob["effects"], name: value}}))
