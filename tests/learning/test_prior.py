"""The population prior: what ships before anybody taught anything, and how it is published."""

from dataclasses import fields

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amp.learning import prior, prior_wire
from amp.learning.approaches import PUBLISHED, Approaches
from amp.learning.effects import PopulationEffects
from amp.learning.prior import POPULATION_DRAWS, Prior
from amp.learning.types import Context, Weights

SHIPPED = prior.shipped(PUBLISHED)


def same(one, other) -> bool:
    """To the bit, the tables of effects included."""
    if not isinstance(one, Prior | PopulationEffects):
        return np.array_equal(one, other)
    return all(same(getattr(one, each.name), getattr(other, each.name)) for each in fields(one) if each.init)


def test_the_shipped_prior_expects_the_neutral_reward_of_every_combination():
    assert np.allclose(PUBLISHED.design @ SHIPPED.mean, 0.5, atol=1e-12)
    assert SHIPPED.version == SHIPPED.users == SHIPPED.rows == 0


def test_the_shipped_prior_favours_no_option_over_another():
    """Every option's expected reward has the same spread over users."""
    covariance = PUBLISHED.design @ np.linalg.inv(SHIPPED.precision) @ PUBLISHED.design.T
    assert np.allclose(np.diag(covariance), covariance[0, 0])


def test_the_shipped_prior_is_the_same_each_time():
    assert same(prior.shipped(PUBLISHED), SHIPPED)


def test_the_shipped_draws_have_its_own_mean_and_spread():
    assert SHIPPED.mean_draws.shape == (POPULATION_DRAWS, 13)
    assert np.allclose(SHIPPED.mean_draws.mean(axis=0), SHIPPED.mean, atol=1e-12)
    sds = [prior.POPULATION_SD, *[prior.POPULATION_OPTION_SD] * 12]
    assert np.allclose(SHIPPED.mean_draws.std(axis=0), sds, atol=1e-12)


def test_the_shipped_prior_doubts_what_pairs_and_levels_add():
    """Nothing is expected of them, and a draw may try them from the first decision on."""
    table = SHIPPED.effects.table(Context(level=2))
    assert np.allclose(table[0], 0.0)
    assert np.allclose(table[1:].mean(axis=0), 0.0, atol=1e-12)
    assert 0.05 < table[1:].std(axis=0).mean() < 0.3


def test_dimensions_of_other_sizes_have_a_prior_too():
    fewer = Approaches(PUBLISHED.dimensions[:2])
    assert prior.shipped(fewer).mean.shape == (7,)


def test_a_published_prior_is_read_back_to_the_bit():
    rng = np.random.default_rng(1)
    root = rng.standard_normal((13, 13))
    taught = Prior(
        version=7,
        mean=rng.standard_normal(13),
        precision=root @ root.T + np.eye(13),
        noise=0.11,
        mean_draws=rng.standard_normal((POPULATION_DRAWS, 13)),
        effects=SHIPPED.effects,
        scales=rng.random(5),
        reward_noise=0.14,
        judged=Weights(flow=0.2),
        index=Weights(satisfaction=0.4),
        users=321,
        rows=4_000,
    )
    blob = prior_wire.encode(taught)
    assert len(blob) < 210_000
    assert same(prior_wire.decode(blob), taught)


@given(st.binary(max_size=200))
def test_garbage_is_a_value_error(data):
    with pytest.raises(ValueError):
        prior_wire.decode(data)


def test_a_truncated_blob_is_a_value_error():
    with pytest.raises(ValueError):
        prior_wire.decode(prior_wire.encode(SHIPPED)[:-100])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", "amp-prior-0"),
        ("version", -1),
        ("noise", 0.0),
        ("noise", float("nan")),
        ("mean", prior_wire.Array.of(np.full(13, np.nan))),
        ("mean", prior_wire.Array.of(np.zeros(12))),
        ("mean", prior_wire.Array.of(np.zeros((13, 1)))),
        ("mean", prior_wire.Array((13,), b"short")),
        ("mean", prior_wire.Array((0,), b"")),
        ("precision", prior_wire.Array.of(-np.eye(13))),
        ("precision", prior_wire.Array.of(np.eye(13) + np.eye(13, k=1) / 10)),
        ("mean_draws", prior_wire.Array.of(np.zeros((POPULATION_DRAWS - 1, 13)))),
    ],
)
def test_a_blob_that_no_fit_can_have_made_is_a_value_error(name, value):
    blob = msgspec.msgpack.decode(prior_wire.encode(SHIPPED))
    assert same(prior_wire.decode(msgspec.msgpack.encode(blob)), SHIPPED)
    with pytest.raises(ValueError):
        prior_wire.decode(msgspec.msgpack.encode({**blob, name: value}))
