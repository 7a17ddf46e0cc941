"""Controls: zero in the mean, and a mean that they make surer is a regression's intercept."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm

from experiments.outcomes.controls import controlled
from experiments.outcomes.truth import Truth, true_theta
from kernels import losses, noises

BERNOULLI, CATEGORICAL = noises.Bernoulli(), noises.Categorical()


def test_a_controlled_mean_is_a_regressions_intercept():
    rng = np.random.default_rng(6)
    C = rng.standard_normal((50, 2)) * [1.0, 1e-6]
    z = 3 + C @ [0.5, 2e6] + 0.1 * rng.standard_normal(50)
    theirs = sm.OLS(z, sm.add_constant(C)).fit()
    mean, error, freedom = controlled(z, C)
    assert (mean, error, freedom) == pytest.approx((theirs.params[0], theirs.bse[0], 47))
    assert error < 0.1 * z.std() / math.sqrt(50)


def test_controls_that_do_not_vary_are_no_controls():
    z = np.array([1.0, 2.0, 4.0])
    assert controlled(z, np.zeros((3, 2))) == pytest.approx((z.mean(), scipy.stats.sem(z), 2))
    assert math.isnan(controlled(z[:1], np.zeros((1, 2)))[1])


@pytest.mark.parametrize(("noise", "loss", "k"), [
    (BERNOULLI, losses.Logistic(), 1), (CATEGORICAL, losses.Softmax(), 3), (noises.Multinomial(trials=4), losses.Multinomial(), 3),
])  # fmt: skip
def test_controls_are_zero_in_the_mean(noise, loss, k):
    truth = Truth(noise, loss, true_theta(noise, 3, 3, 1.5, 0))
    information = truth.information()
    drawn = np.array([truth.controls(*truth.sample(1, i, 60)[:2], information) for i in range(60)])
    assert np.all(np.abs(drawn.mean(0)) <= 4.5 * scipy.stats.sem(drawn))
