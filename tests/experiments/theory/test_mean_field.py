"""The law of fits with as many parameters as labels, or nearly: published numbers, closed forms, many draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit as sigmoid

from experiments.theory import label_limits, mean_field
from kernels import losses, noises

BERNOULLI, CATEGORICAL = noises.Bernoulli(), noises.Categorical()


def test_the_law_of_logistic_regression_is_that_of_sur_and_candes():
    """Their case κ = 0.2, γ² = 5: α = 1.4994, σ = 4.7436, λ = 3.0269, with s = σ√κ (doi:10.1073/pnas.1810420116)."""
    law = mean_field.law(losses.Logistic(), BERNOULLI, math.sqrt(5), 0.2)
    assert (law.along, law.across / math.sqrt(0.2), law.tightness) == pytest.approx((1.4994, 4.7436, 3.0269), abs=6e-5)


def test_the_law_of_least_squares_is_known_in_closed_form():
    kappa = 0.125
    law = mean_field.law(losses.Squared(), BERNOULLI, 2.0, kappa)
    rise = scipy.integrate.quad(lambda z: 2 * z * (sigmoid(2 * z) - 0.5) * scipy.stats.norm.pdf(z), -10, 10)[0] / 4
    assert law.along == pytest.approx(rise, abs=1e-7)
    assert law.tightness == pytest.approx(kappa / (1 - kappa), rel=1e-6)
    assert law.across**2 == pytest.approx(kappa / (1 - kappa) * (0.25 - 4 * rise**2), rel=1e-6)


def test_with_few_parameters_the_law_is_the_classical_theory():
    kappa = 1e-4
    law = mean_field.law(losses.Logistic(), BERNOULLI, 1.5, kappa)
    weight = scipy.integrate.quad(lambda z: sigmoid(1.5 * z) * sigmoid(-1.5 * z) * scipy.stats.norm.pdf(z), -10, 10)[0]
    assert law.across**2 / kappa == pytest.approx(1 / weight, rel=2e-3)
    assert law.excess() / (kappa / 2) == pytest.approx(1, rel=2e-3)
    own = label_limits.Limits.of(BERNOULLI, np.array([[1.5]])).slope_information()
    assert (1 - law.slope()) / kappa == pytest.approx((1 - label_limits.first_order_slope(1, 1, own)), rel=2e-3)


@pytest.mark.parametrize("flips", [0.0, 0.25])
def test_what_follows_from_the_law_is_what_many_draws_show(flips):
    law = mean_field.Law(BERNOULLI, 2.0, 0.8, 0.7, 1.0)
    rng = np.random.default_rng(10)
    star = 2.0 * rng.standard_normal(300_000)
    fitted = 0.8 * star + 0.7 * rng.standard_normal(star.size)
    P, Q = sigmoid(star), sigmoid(fitted)
    excess = P * np.log(P / Q) + (1 - P) * np.log((1 - P) / (1 - Q))
    assert law.excess() == pytest.approx(excess.mean(), abs=4 * scipy.stats.sem(excess))
    regret = np.abs(2 * P - 1) * ((star > 0) != (fitted > 0))
    assert law.regret() == pytest.approx(regret.mean(), abs=4 * scipy.stats.sem(regret))
    flipped = (1 - 2 * flips) * P + flips
    slope = scipy.optimize.brentq(lambda b: np.mean((sigmoid(b * fitted) - flipped) * fitted), 0.01, 3)
    assert law.slope(flips) == pytest.approx(slope, abs=0.01)
    near = np.abs(Q - 0.7) < 0.005
    assert law.observed(np.array([0.7]), flips)[0] == pytest.approx(flipped[near].mean(), abs=0.01)


@pytest.mark.slow  # κ is approached in steps, each a system of equations: some seconds
def test_where_labels_are_separable_there_is_no_law():
    assert mean_field.law(losses.Logistic(), BERNOULLI, 4.0, 0.6) is None


@given(st.floats(-20, 20), st.floats(1e-3, 50), st.sampled_from([0.0, 1.0]))
@settings(max_examples=50, deadline=None)
def test_the_proximal_map_is_where_its_gradient_vanishes(q, tight, y):
    loss = losses.Logistic()
    p = mean_field.proximal(lambda p: loss.deltas(p, np.array([y])), np.array([q]), tight)
    assert p[0] + tight * (sigmoid(p[0]) - y) == pytest.approx(q, abs=1e-9 * max(1, tight))
