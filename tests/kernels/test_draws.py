"""Draws in bulk: the bits are NumPy's own, the numbers the noise's, whoever draws them and on however many threads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import scipy.stats
from densities import P_VALUE, REAL, scipy_cdf, variants

from kernels import noises, threads, ziggurat
from kernels._jit import inline
from kernels.draws import LANES, draw, states
from kernels.noises import Gaussian, Laplace, laplace
from kernels.streams import sequence


def drawn(noise, groups=8, length=2500, seed=0):
    out = np.empty((groups, length))
    draw(noise, states(groups, seed, "test"), out)
    return out


@inline
def raw(u, v, p):
    """The two uniform numbers in one: u is a multiple of 2⁻⁵² above 0, and v one from 0 on."""
    return u + 2.0 * np.floor(v * 1024.0)


@dataclass(frozen=True)
class Raw(Laplace):
    """What the formula of a noise is given."""

    name = "raw"
    variate = raw
    twin = None


@pytest.mark.parametrize("length", [1, 15, 16, 100])
def test_a_formula_is_given_numpys_uniform_numbers(length):
    """The lanes take turns; each draws u and then v, from the highest 52 bits."""
    out = np.empty((2, length))
    draw(Raw(), states(2, 3, "x"), out)
    streams = [np.random.SFC64(child) for child in sequence(3, "x").spawn(2 * LANES)]
    for group in range(2):
        for place in range(length):
            u, v = ((int(bits) >> 12) / 2**52 for bits in streams[group * LANES + place % LANES].random_raw(2))
            assert out[group, place] == (1.0 - u) + 2.0 * np.floor(v * 1024.0)


@pytest.mark.parametrize("name", REAL)
def test_draws_have_the_noises_distribution(name):
    for noise in variants(name):
        sample = drawn(noise).ravel()
        assert np.isfinite(sample).all()
        assert scipy.stats.kstest(sample, scipy_cdf(noise)).pvalue > P_VALUE
        tail = np.abs(sample) > np.quantile(np.abs(sample), 0.99)  # far out, where a rank test sees little
        beyond = scipy_cdf(noise)(np.sort(np.abs(sample[tail])))
        assert scipy.stats.kstest((beyond - beyond.min()) / (1 - beyond.min()), "uniform").pvalue > P_VALUE


@pytest.mark.parametrize("name", REAL)
def test_neighbours_are_independent(name):
    sample = drawn(noises.named(name), 4, 6000)
    for ranks in (scipy.stats.rankdata(sample, axis=1), scipy.stats.rankdata(np.abs(sample), axis=1)):
        for apart in (1, 2, LANES, LANES + 1):  # twins are as far apart as there are lanes
            for row in ranks:
                assert scipy.stats.pearsonr(row[:-apart], row[apart:]).pvalue > P_VALUE


@dataclass(frozen=True)
class SameTwin(Laplace):
    """A noise whose second draw is the first, with its sign turned."""

    name = "same_twin"
    twin = inline(lambda u, v, p: -laplace.variate(u, v, p))


def test_twins_that_are_not_independent_would_show():
    sample = np.abs(drawn(SameTwin(), 1, 6000)[0])
    assert scipy.stats.pearsonr(sample[:-LANES], sample[LANES:]).pvalue < P_VALUE


@pytest.mark.parametrize("length", [5, 16, 20, 32, 47, 100])
def test_first_draws_come_first_and_then_the_second_ones(length):
    out = np.empty((1, length))
    draw(Laplace(), states(1, 0, "x"), out)
    streams = [np.random.SFC64(child) for child in sequence(0, "x").spawn(LANES)]
    for block in range(0, length, 2 * LANES):
        for lane in range(LANES):
            u, v = (
                ((int(bits) >> 12) / 2**52 for bits in streams[lane].random_raw(2)) if block + lane < length else (0, 0)
            )
            for place, share in ((block + lane, 1 - u), (block + LANES + lane, 1 - v)):
                if place < length:
                    assert out[0, place] == pytest.approx(scipy.stats.laplace.isf(share), rel=1e-11, abs=1e-13)


def test_normal_numbers_are_those_of_numpy():
    """One number in 4,000 lies in the tail, one in a hundred is looked at closely: a wrong turn would shift all that follow."""
    groups, length = 4, 30_000
    out, moving = np.empty((groups, length)), states(groups, 0, "x")
    draw(Gaussian(scale=2.0), moving, out)
    lanes = sequence(0, "x").spawn(groups * LANES)[::LANES]
    for lane, mine, state in zip(lanes, out, moving, strict=True):
        own = np.random.Generator(np.random.SFC64(lane))
        np.testing.assert_allclose(mine, 2.0 * own.standard_normal(length), rtol=1e-13)
        np.testing.assert_array_equal(state[::LANES], own.bit_generator.state["state"]["state"])
    assert np.count_nonzero(np.abs(out) > 2.0 * ziggurat.TAIL) > 10


@pytest.mark.parametrize("name", REAL)
def test_draws_are_the_same_on_any_number_of_threads_and_in_any_pieces(name):
    noise = noises.named(name)
    whole = drawn(noise, length=320)
    with threads.using(1):
        np.testing.assert_array_equal(drawn(noise, length=320), whole)
    moving, pieces = states(8, 0, "test"), [np.empty((8, 160)) for _ in range(2)]
    for piece in pieces:  # 160 is a multiple of the lanes, and of twice as many: the states go on where they were
        draw(noise, moving, piece)
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)


def test_names_and_seeds_have_draws_of_their_own():
    noise = Gaussian()
    every = [drawn(noise), drawn(noise, seed=1)]
    other = np.empty((8, 2500))
    draw(noise, states(8, 0, "another"), other)
    for a, b in ((every[0], every[1]), (every[0], other), (every[0][:1], every[0][1:2])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.08
    assert len(np.unique(np.concatenate([*every, other]))) == 3 * 8 * 2500


@dataclass(frozen=True)
class BySample(Gaussian):
    """A noise that has a sampler, and no formula."""

    name = "by_sample"
    of_normal = None


def test_a_noise_without_a_formula_draws_by_its_sampler():
    out, moving = np.empty((3, 5000)), states(3, 0, "x")
    draw(BySample(scale=2.0), moving, out)
    assert scipy.stats.kstest(out.ravel(), scipy.stats.norm(scale=2.0).cdf).pvalue > P_VALUE
    own = np.random.Generator(np.random.SFC64(sequence(0, "x").spawn(1)[0]))
    np.testing.assert_array_equal(out[0], 2.0 * own.standard_normal(5000))
    again = np.empty((3, 10))
    draw(BySample(scale=2.0), moving, again)
    np.testing.assert_array_equal(again[0], 2.0 * own.standard_normal(10))
