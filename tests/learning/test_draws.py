import numpy as np
import pytest
from scipy import stats

from amp.learning.draws import normals, others, uniforms

NONCES = np.random.default_rng(11).integers(0, 2**64, 1000, dtype=np.uint64).tolist()


def test_bits_are_those_of_the_published_splitmix64():
    """First outputs for the seed 1234567, as printed by the reference implementation."""
    published = np.array([6457827717110365317, 3203168211198807973, 9817491932198370423], np.uint64)
    assert uniforms([1234567], 3)[0].tolist() == (((published >> np.uint64(12)) + 0.5) / 2.0**52).tolist()


def test_uniforms_are_uniform_and_normals_normal():
    uniform = uniforms(NONCES, 10)
    assert stats.kstest(uniform.ravel(), "uniform").pvalue > 0.01
    assert stats.kstest(normals(uniform).ravel(), "norm").pvalue > 0.01


def test_the_draws_of_one_nonce_and_of_neighbouring_nonces_are_uncorrelated():
    """10,000 draws a pair: four standard errors are 0.04."""
    by_counter = np.corrcoef(normals(uniforms(range(10_000), 4)).T)
    by_nonce = np.corrcoef(normals(uniforms(range(4), 10_000)))
    for correlations in (by_counter, by_nonce):
        assert np.abs(correlations - np.eye(4)).max() < 0.04


def test_other_nonces_of_a_nonce_are_its_own_and_their_draws_fresh():
    made = np.concatenate([others(nonce, 1000) for nonce in (0, 1, 2**64 - 1)])
    assert len({*made.tolist(), 0, 1, 2**64 - 1}) == 3003
    assert stats.kstest(uniforms(made, 3).ravel(), "uniform").pvalue > 0.01
    assert np.abs(np.corrcoef(uniforms(others(7, 10_000), 4).T) - np.eye(4)).max() < 0.04
    assert others(7, 5).tolist() == others(7, 9).tolist()[:5]


@pytest.mark.parametrize("bits", [0, 2**64 - 1])
def test_the_most_extreme_bits_stay_strictly_inside_zero_and_one(bits):
    uniform = uniforms([_nonce_of(bits)], 1)
    assert 0.0 < uniform[0, 0] < 1.0
    assert abs(uniform[0, 0] - 0.5) == 0.5 - 2.0**-53
    assert np.isfinite(normals(uniform)).all()


def test_a_nonce_draws_the_same_alone_and_in_a_batch():
    together = uniforms(NONCES, 16)
    assert all((uniforms([nonce], 16)[0] == together[row]).all() for row, nonce in enumerate(NONCES[:50]))


def _nonce_of(bits):
    """splitmix64 backwards."""
    state = _unshift(bits, 31) * pow(0x94D049BB133111EB, -1, 2**64) % 2**64
    state = _unshift(state, 27) * pow(0xBF58476D1CE4E5B9, -1, 2**64) % 2**64
    return (_unshift(state, 30) - 0x9E3779B97F4A7C15) % 2**64


def _unshift(mixed, shift):
    state = mixed
    for _ in range(64 // shift):
        state = mixed ^ (state >> shift)
    return state
