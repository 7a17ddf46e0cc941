"""Intervals, each against another library's or its own promise: it covers the truth as often as it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from harness import estimates


@pytest.mark.parametrize("confidence", [0.9, 0.99, 0.9999])
def test_a_mean_with_its_error_is_students(confidence):
    samples = np.random.default_rng(0).normal(3, 2, 17)
    expected = stats.t.interval(confidence, 16, samples.mean(), stats.sem(samples))
    assert estimates.mean_of(samples).interval(confidence) == pytest.approx(expected, rel=1e-12)
    own = estimates.mean(samples.mean(), stats.sem(samples), 16, 17)
    assert own.interval(confidence) == pytest.approx(expected, rel=1e-12)
    assert (own.value, own.count) == (samples.mean(), 17)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_is_known_not_at_all(bad):
    for found in (estimates.mean_of([1.0, bad, 2.0]), estimates.mean(1.0, bad, 9, 10), estimates.mean_of([1.0])):
        assert found.interval(0.9) == (-math.inf, math.inf)
    assert estimates.median_of([1.0] * 20 + [math.nan]).interval(0.9) == (-math.inf, math.inf)


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (3, 10), (10, 10), (517, 1000)])
@pytest.mark.parametrize("confidence", [0.9, 0.99, 0.9999])
def test_a_share_has_the_exact_interval(successes, trials, confidence):
    expected = proportion_confint(successes, trials, 1 - confidence, method="beta")
    assert estimates.share(successes, trials).interval(confidence) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_band_around_an_empirical_distribution_covers():
    """Under the truth the distance is 0, and the interval begins there at least as often as it says."""
    rng, trials = np.random.default_rng(1), 2000
    covered = 0
    for _ in range(trials):
        largest = stats.kstest(rng.random(50), "uniform").statistic
        low, high = estimates.distance(largest, 50).interval(0.9)
        assert high == pytest.approx(largest + math.sqrt(math.log(20) / 100))
        covered += low == 0
    assert covered / trials > 0.9 - 3 * math.sqrt(0.09 / trials)


def test_the_bootstrap_of_a_mean_is_students_for_many_samples():
    samples = np.random.default_rng(2).standard_normal((400, 1))[:, 0]
    found = estimates.bootstrap(samples, np.mean)
    assert found.value == samples.mean()
    assert found.interval(0.95) == pytest.approx(estimates.mean_of(samples).interval(0.95), abs=0.01)
    assert found.interval(0.95) == found.interval(0.95)  # the resamples come from a seed


def test_a_bracket_is_certain():
    assert estimates.bracket(1.0, 3.0).value == 2.0
    assert estimates.bracket(1.0, 3.0).interval(0.999999) == (1.0, 3.0)
