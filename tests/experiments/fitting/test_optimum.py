"""The optimum, against SciPy, statsmodels and scikit-learn, on tables that are badly scaled; and labels that have none."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import scipy.optimize
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.data import BreastCancer, Digits, Longley, Stackloss
from experiments.fitting import optimum
from experiments.fitting.optimum import minimise, orthogonal
from experiments.fitting.separation import is_parted, least_margin, one_hot
from kernels import losses
from kernels.losses import Target


def problem(seed, m=40, n=3):
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.standard_normal((m, n - 1)) * rng.uniform(0.1, 1000, n - 1), np.ones(m)])
    return X, X @ rng.standard_normal(n) + rng.standard_t(2, m), rng


@pytest.mark.parametrize("name", ["huber", "student_t"])
@pytest.mark.parametrize("seed", range(3))
def test_smooth_losses_against_scipy(name, seed):
    X, y, _ = problem(seed)
    loss = losses.named(name)
    start = minimise(losses.Absolute(), X, y).theta
    found = minimise(loss, X, y, start=start)
    unit = np.abs(X).max(axis=0)
    peer = scipy.optimize.minimize(
        lambda b: loss.values(X / unit @ b, y).mean(), start[:, 0] * unit, method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-14, "maxiter": 20000, "maxfev": 20000},
    )  # fmt: skip
    assert found.value <= peer.fun + 1e-12
    assert found.value == pytest.approx(peer.fun, rel=1e-8)
    assert found.flat
    assert found.value == pytest.approx(loss.values(X @ found.theta[:, 0], y).mean(), rel=1e-12)


def test_least_squares_of_a_table_that_is_nearly_singular():
    d = Longley(bias=True).load(0)
    found = minimise(losses.Squared(), d.X, d.y)
    certified = [15.0618722713733, -0.0358191792925910, -2.02022980381683, -1.03322686717359, -0.0511041056535807,
                 1829.15146461355, -3482258.63459582]  # fmt: skip
    np.testing.assert_allclose(found.theta[:, 0], certified, rtol=1e-9)  # NIST StRD


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_no_neighbour_of_absolute_losss_optimum_is_lower(seed):
    X, y, rng = problem(seed, m=15)
    found = minimise(losses.Absolute(), X, y)
    near = (
        found.theta + 10.0 ** rng.uniform(-6, 2, 200) * rng.standard_normal((3, 200)) / np.abs(X).max(axis=0)[:, None]
    )
    assert (np.abs(y[:, None] - X @ near).mean(axis=0) >= found.value * (1 - 1e-12)).all()
    assert np.sum(np.abs(y - X @ found.theta[:, 0]) < 1e-9 * np.abs(y).max()) >= 3  # a vertex


def test_stackloss_to_the_digits_of_the_brief():
    d = Stackloss(bias=True).load(0)
    for loss, printed in (
        (losses.Squared(), [0.71564, 1.29529, -0.15212, -39.91967]),
        (losses.Absolute(), [0.831884, 0.573913, -0.060870, -39.689855]),
    ):
        np.testing.assert_allclose(minimise(loss, d.X, d.y).theta[:, 0], printed, atol=6e-6)


def test_columns_that_depend_on_each_other_or_are_zero():
    X, y, _ = problem(0)
    wide = np.column_stack([X, X[:, 0] - 2 * X[:, 1], np.zeros(len(X))])
    for loss in (losses.Squared(), losses.Huber(), losses.Absolute()):
        assert minimise(loss, wide, y).value == pytest.approx(minimise(loss, X, y).value, rel=1e-10)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_orthogonal_columns_span_what_x_spans(seed):
    X, _, _ = problem(seed)
    Z, back = orthogonal(X)
    np.testing.assert_allclose(Z.T @ Z / len(X), np.eye(3), atol=1e-12)
    np.testing.assert_allclose(X @ back, Z, atol=1e-9)


def test_softmax_and_logistic_agree_with_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    X, _, rng = problem(1, m=200)
    X = X / np.abs(X).max(axis=0)
    y = rng.integers(0, 3, 200)
    found = minimise(losses.Softmax(), X, y, 3)
    peer = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=10000).fit(X, y)
    theirs = losses.Softmax().values(X @ peer.coef_.T, y).mean()
    assert found.value == pytest.approx(theirs, rel=1e-9)
    assert (found.flat, found.parted) == (True, False)
    two = minimise(losses.Logistic(), X, (y > 0).astype(float))
    assert two.value == pytest.approx(minimise(losses.Softmax(), X, (y > 0).astype(int), 2).value, rel=1e-10)


def test_parted_labels_have_no_minimum_and_say_so():
    X, _, _ = problem(2)
    y = (X[:, 0] > 0).astype(float)
    found = minimise(losses.Logistic(), X, y)
    assert found.parted is True
    assert not found.flat
    assert 0 <= found.value < 1e-16
    assert np.isfinite(found.theta).all()
    three = np.digitize(X[:, 0], np.quantile(X[:, 0], [0.3, 0.6]))
    assert minimise(losses.Softmax(), X, three, 3).parted is True


def test_labels_parted_but_for_ties_go_to_an_infimum_above_zero():
    """x = 0 for six samples, half of them 1: their loss stays log 2 each at the intercept 0, all others' falls to 0."""
    x = np.concatenate([np.zeros(6), np.linspace(1, 2, 17), -np.linspace(1, 2, 17)])
    y = (x > 0).astype(float)
    y[:3] = 1
    X = np.column_stack([x, np.ones(40)])
    for found in (minimise(losses.Logistic(), X, y), minimise(losses.Softmax(), X, y.astype(int), 2)):
        assert found.parted is True
        assert found.value == pytest.approx(6 * math.log(2) / 40, rel=1e-9)


@pytest.mark.parametrize("data", [Digits(), BreastCancer(standardize=True, bias=True)])
def test_known_tables_that_are_parted(data):
    d = data.load(0)
    m = 200  # of the samples
    loss = losses.Softmax() if d.target is Target.CLASS else losses.Logistic()
    found = minimise(loss, d.X[:m], d.y[:m], d.outputs)
    assert found.parted is True
    assert found.value < 1e-16


@given(st.integers(0, 10_000), st.integers(4, 12))
@settings(max_examples=40, deadline=None)
def test_parted_is_what_a_brute_force_search_of_planes_says(seed, m):
    """In one dimension a threshold parts labels, strictly or up to ties at it; there are m − 1 of them to try."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, m).astype(float)
    y = (rng.random(m) < scipy.special.expit(2 * x)).astype(float)
    X = np.column_stack([x, np.ones(m)])
    zeros, ones = x[y == 0], x[y == 1]
    if len(zeros) and len(ones):
        apart = zeros.max() <= ones.min() or ones.max() <= zeros.min()
        varies = len(set(x)) > 1
        expected = bool(apart and varies)
    else:
        expected = True
    assert is_parted(X, y, Target.BINARY, 1) is expected
    assert is_parted(X, y.astype(np.int64), Target.CLASS, 2) is expected
    assert is_parted(X, np.column_stack([1 - y, y]), Target.COUNTS, 2) is expected


def test_counts_of_several_classes_tie_them():
    X = np.column_stack([np.arange(6.0), np.ones(6)])
    assert is_parted(X, np.tile([1.0, 2.0, 0.0], (6, 1)), Target.COUNTS, 3) is True  # the third never comes
    assert is_parted(X, np.tile([1.0, 2.0, 1.0], (6, 1)), Target.COUNTS, 3) is False
    assert least_margin(np.zeros((6, 3)), np.tile([1.0, 2.0, 0.0], (6, 1))) == -np.inf


def test_what_is_too_large_to_tell_is_none(monkeypatch):
    monkeypatch.setattr("experiments.fitting.separation.MOST", 10)
    assert is_parted(np.ones((5, 2)), np.ones(5), Target.BINARY, 1) is None
    assert is_parted(np.ones((5, 2)), np.ones(5), Target.REAL, 1) is False


def test_margins_are_those_of_the_own_class():
    H = np.array([[1.0, 3.0, 2.5], [0.0, -1.0, 4.0]])
    assert least_margin(H, one_hot(np.array([1, 2]), Target.CLASS, 3)) == 0.5
    assert least_margin(H[:, :1], one_hot(np.array([1.0, 0.0]), Target.BINARY, 1)) == 0.0


def test_a_loss_that_jumps_but_is_not_of_two_lines_is_refused():
    class Stairs(losses.Absolute):
        def deltas(self, h, y):
            return np.sign(h - y) * np.where(np.abs(h - y) > 1, 2.0, 1.0)

    with pytest.raises(ValueError, match="not constant on either side"):
        minimise(Stairs(), np.ones((3, 1)), np.arange(3.0))


@dataclasses.dataclass(frozen=True)
class Quantile(losses.Absolute):
    """0.8·(y − h)⁺ + 0.2·(h − y)⁺ by its δ: two lines of different slopes."""

    def deltas(self, h, y):
        r = np.asarray(h) - np.asarray(y)
        return np.where(r > 0, 0.2, np.where(r < 0, -0.8, 0.0))


def test_two_lines_may_have_any_slopes():
    y = np.arange(11.0) ** 2
    theta = optimum._programme(Quantile(), np.ones((11, 1)), y)
    assert theta[0] == 64.0  # the 0.8 quantile of 11 numbers is the ninth
