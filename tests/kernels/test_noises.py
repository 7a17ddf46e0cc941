"""Each noise: its density against SciPy's, its sampler against its density, its loss against −log of it."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
from densities import (
    ALL,
    DISCRETE,
    OUTPUTS,
    P_VALUE,
    REAL,
    SAMPLES,
    density,
    outcomes,
    probabilities,
    repeated,
    scipy_cdf,
    scipy_log_density,
    several,
    variants,
)
from problems import LAYOUTS

from kernels import Objective, losses, noises
from kernels.losses import Target

# Densities


@pytest.mark.parametrize("name", ALL)
def test_log_densities_are_scipys(name):
    rng = np.random.default_rng(0)
    for noise in variants(name):
        h = rng.normal(0, 2, (300, OUTPUTS)) if several(noise) else rng.normal(0, 2, 300)
        y = noise.sample(h, rng)
        if noise.target is Target.REAL:
            y[:3] = h[:3] + np.array([0.0, 1e-9, 30.0])  # the peak, beside it, and the tail
        np.testing.assert_allclose(noise.log_density(y, h), scipy_log_density(noise, y, h), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", REAL)
def test_densities_integrate_to_one(name):
    for noise in variants(name):
        half, _ = scipy.integrate.quad(density(noise), 0, np.inf, limit=200)
        assert 2 * half == pytest.approx(1, rel=1e-7), noise


@pytest.mark.parametrize("name", REAL)
def test_densities_are_symmetric_about_h_and_fall_off(name):
    r = np.linspace(0, 20, 101)
    for noise in variants(name):
        right, left = noise.log_density(3 + r, np.full(101, 3.0)), noise.log_density(3 - r, np.full(101, 3.0))
        np.testing.assert_allclose(right, left, rtol=1e-12, atol=1e-12)
        assert (np.diff(right) < 0).all()


@pytest.mark.parametrize("name", DISCRETE)
def test_probabilities_sum_to_one(name):
    for noise in variants(name):
        assert probabilities(noise)[1].sum() == pytest.approx(1, rel=1e-12), noise


# Samplers


@pytest.mark.parametrize("name", REAL)
def test_samples_follow_the_distribution_function(name):
    """Kolmogorov and Smirnov's test of y − h, while h differs from sample to sample."""
    for seed, noise in enumerate(variants(name)):
        h = np.linspace(-3, 3, SAMPLES)
        residuals = noise.sample(h, np.random.default_rng(seed)) - h
        assert scipy.stats.kstest(residuals, scipy_cdf(noise)).pvalue > P_VALUE, noise


@pytest.mark.parametrize("name", DISCRETE)
def test_samples_come_as_often_as_they_are_probable(name):
    """Pearson's χ² test over all outcomes, the rarest taken together."""
    for seed, noise in enumerate(variants(name)):
        every, p = probabilities(noise)
        drawn = noise.sample(repeated(noise, SAMPLES), np.random.default_rng(seed))
        place = {np.asarray(y).tobytes(): i for i, y in enumerate(every)}
        observed = np.bincount([place[np.asarray(y, every.dtype).tobytes()] for y in drawn], minlength=len(every))
        rare = p * SAMPLES < 5
        observed = np.append(observed[~rare], observed[rare].sum())
        expected = np.append(p[~rare], p[rare].sum()) * SAMPLES
        kept = expected > 0
        assert observed[~kept].sum() == 0
        assert scipy.stats.chisquare(observed[kept], expected[kept]).pvalue > P_VALUE, noise


def test_the_tests_of_samplers_can_fail():
    residuals = noises.Gaussian(1.05).sample(np.zeros(SAMPLES), np.random.default_rng(0))
    assert scipy.stats.kstest(residuals, scipy_cdf(noises.Gaussian())).pvalue < P_VALUE


@pytest.mark.parametrize("name", ALL)
def test_samples_have_the_shape_and_type_that_the_loss_takes(name):
    noise = noises.named(name)
    for dtype in (np.float64, np.float32):
        h = np.zeros((50, OUTPUTS) if several(noise) else 50, dtype)
        y = noise.sample(h, np.random.default_rng(0))
        assert y.shape == ((50, OUTPUTS) if noise.target is Target.COUNTS else (50,))
        assert y.dtype == (np.int64 if noise.target is Target.CLASS else np.float64)
        log_p = noise.log_density(y, h)
        assert log_p.shape == (50,)
        assert log_p.dtype == np.float64


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ALL)
def test_the_door_takes_the_samples(name, layout):
    """With every loss for that kind of target, whether it is the noise's own or not."""
    noise = noises.named(name)
    rng = np.random.default_rng(0)
    rows, theta = rng.standard_normal((60, 4)), rng.standard_normal((4, OUTPUTS if several(noise) else 1))
    y = noise.sample(rows @ theta if several(noise) else (rows @ theta)[:, 0], rng)
    for loss in [name for name, kind in losses.ALL.items() if kind.target is noise.target]:
        f = Objective(loss, layout)
        value, grad = f.value_and_grad(f.layout.arrange(rows), y, theta)
        assert np.isfinite(value)
        assert np.isfinite(grad).all()


@pytest.mark.parametrize("name", ALL)
def test_the_same_generator_gives_the_same_samples(name):
    noise = noises.named(name)
    one, other = (noise.sample(repeated(noise, 100), np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one, other)


# Extremes


@pytest.mark.parametrize("extreme", [700.0, 1e4])
@pytest.mark.parametrize("name", ALL)
def test_far_out_nothing_overflows(name, extreme):
    """Warnings are errors here: no exponential may overflow on the way."""
    noise = noises.named(name)
    rows = np.array([[s * extreme, t * extreme, 0.0] for s in (1, -1) for t in (1, -1)])
    h = rows if several(noise) else rows[:, 0]
    y = noise.sample(h, np.random.default_rng(0))
    assert np.isfinite(y).all()
    log_p = noise.log_density(y, h)
    assert np.isfinite(log_p).all()
    if noise.target is not Target.REAL:
        every = outcomes(noise)
        for each in h:
            log_p = noise.log_density(every, np.repeat(each[None], len(every), axis=0))
            assert np.isfinite(log_p).all()
            assert np.exp(log_p).sum() == pytest.approx(1, rel=1e-12)
