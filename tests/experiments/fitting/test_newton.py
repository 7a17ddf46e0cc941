"""Fits of labels, against statsmodels and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from labelled import binary, classes
from sklearn.linear_model import LogisticRegression

from experiments.fitting.newton import fit
from kernels import losses


def test_logistic_fits_are_those_of_statsmodels_and_scikit_learn():
    X, y = binary()
    found = fit(losses.Logistic(), X, y)
    assert found.method == "Newton"
    assert found.theta[:, 0] == pytest.approx(sm.Logit(y, X).fit(disp=0, tol=1e-12).params, abs=1e-8)
    theirs = LogisticRegression(C=math.inf, fit_intercept=False, tol=1e-10, max_iter=1000).fit(X, y)
    assert found.theta[:, 0] == pytest.approx(theirs.coef_[0], abs=1e-5)


def test_softmax_fits_are_those_of_statsmodels():
    X, y = classes()
    theta = fit(losses.Softmax(), X, y, 4).theta
    theirs = sm.MNLogit(y, X).fit(disp=0, method="newton", tol=1e-12, maxiter=100).params
    assert theta[:, 1:] - theta[:, :1] == pytest.approx(np.asarray(theirs), abs=1e-6)


def test_where_a_fit_starts_does_not_matter():
    X, y = binary(1)
    near = np.array([[3.0], [-2.0], [0.5]])
    assert fit(losses.Logistic(), X, y, near=near).theta == pytest.approx(fit(losses.Logistic(), X, y).theta, abs=1e-9)


def test_separable_labels_leave_newton_to_another_and_are_noticed():
    X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    y = np.array([0.0, 0.0, 1.0, 1.0])
    found = fit(losses.Logistic(), X, y)
    assert found.parted
    assert found.theta[0, 0] > 10
    assert not fit(losses.Logistic(), X, np.array([0.0, 1.0, 0.0, 1.0])).parted
