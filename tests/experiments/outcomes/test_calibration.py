"""Calibration against scikit-learn, statsmodels and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled import binary
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from experiments.outcomes import calibration
from experiments.outcomes import labels as outcomes


@pytest.mark.parametrize("intercepts", [False, True])
def test_slope_and_intercept_are_those_of_a_logistic_regression_on_the_logit(intercepts):
    X, y = binary(2, 500)
    h = 1.7 * X[:, 0] + 0.4
    slope, shift, error = calibration.recalibrated(np.stack([0 * h, h], 1), np.eye(2)[y.astype(int)], intercepts)
    theirs = sm.Logit(y, np.stack([np.ones(500), h], 1) if intercepts else h[:, None]).fit(disp=0, tol=1e-12)
    assert ([*shift[1:], slope] if intercepts else [slope]) == pytest.approx(theirs.params, abs=1e-8)
    assert slope == pytest.approx(theirs.params[-1], abs=1e-8)
    assert error == pytest.approx(theirs.bse[-1], rel=1e-6)


def test_slope_of_several_classes_minimises_cross_entropy():
    rng = np.random.default_rng(3)
    H = rng.standard_normal((400, 3)) * 2
    Q = outcomes.softmax(0.6 * H)
    assert calibration.recalibrated(H, Q)[0] == pytest.approx(0.6, abs=1e-10)
    labels = np.eye(3)[rng.integers(0, 3, 400)]
    theirs = scipy.optimize.minimize_scalar(lambda b: outcomes.cross_entropy(labels, b * H).mean(), (-1, 1), tol=1e-12)
    assert calibration.recalibrated(H, labels)[0] == pytest.approx(theirs.x, abs=1e-6)


def test_bins_are_those_of_scikit_learn():
    rng = np.random.default_rng(4)
    p = rng.random(1000)
    y = (rng.random(1000) < p**2).astype(float)
    found = calibration.binned(p, y, 10)
    observed, fitted = calibration_curve(y, p, n_bins=10)
    assert found.observed / found.counts == pytest.approx(observed)
    assert found.fitted / found.counts == pytest.approx(fitted)
    assert found.gap() == pytest.approx(np.sum(found.counts / 1000 * np.abs(observed - fitted)))


def test_a_probability_of_one_is_in_the_last_bin():
    assert calibration.binned(np.array([0.0, 1.0]), np.array([0.0, 1.0]), 5).index.tolist() == [0, 4]


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=60), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_the_parts_of_the_brier_score_are_murphys_and_what_varies_within_bins(pairs, bins):
    p, y = np.array([a for a, _ in pairs]), np.array([float(b) for _, b in pairs])
    parts = calibration.brier(p, y, bins)
    assert parts.score == pytest.approx(brier_score_loss(y, p, pos_label=1))
    place = np.minimum((p * bins).astype(int), bins - 1)
    inside = [(p[place == b], y[place == b]) for b in set(place)]
    within = sum(np.sum((f - f.mean()) ** 2) - 2 * np.sum((f - f.mean()) * (o - o.mean())) for f, o in inside) / len(p)
    assert parts.within == pytest.approx(within, abs=1e-12)  # Stephenson et al.: variance less twice the covariance
    assert min(parts.reliability, parts.resolution, parts.uncertainty) >= 0


def test_the_gap_of_calibrated_probabilities_is_what_the_binomial_law_says():
    p = np.full(20, 0.3)
    drawn = calibration.gap_if_calibrated(p, 10, 4000, np.random.default_rng(5))
    k = np.arange(21)
    expected = np.sum(scipy.stats.binom.pmf(k, 20, 0.3) * np.abs(k / 20 - 0.3))
    assert drawn.mean() == pytest.approx(expected, abs=5 * drawn.std() / math.sqrt(4000))
