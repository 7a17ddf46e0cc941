"""Many fits at once come to the optimum that one at a time comes to, with every scale; against statsmodels and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import HuberRegressor

from experiments.fitting import many, scale
from experiments.fitting.optimum import minimise
from kernels import losses

REAL = ["squared", "absolute", "huber", "student_t"]


def samples(seed, fits=6, m=40, n=3, outliers=0, leverage=0.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((fits, m, n))
    X[:, :, -1] = 1
    y = X @ rng.standard_normal(n) + rng.standard_t(2, (fits, m))
    y[:, :outliers] += 30
    X[:, :outliers, 0] += leverage
    return X, y


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize(("outliers", "leverage"), [(0, 0.0), (8, 0.0), (8, 20.0)])
def test_many_are_as_good_as_one_at_a_time(name, outliers, leverage):
    X, y = samples(1, outliers=outliers, leverage=leverage)
    loss = losses.named(name)
    found = many.fit(loss, X, y)
    assert found.left_over == 0
    for i in range(len(X)):
        value = loss.values(X[i] @ found.theta[i], y[i]).mean()
        alone = minimise(loss, X[i], y[i], start=found.theta[i][:, None])
        assert value == pytest.approx(alone.value, rel=1e-13)
        if name != "student_t":  # from anywhere
            assert value == pytest.approx(minimise(loss, X[i], y[i]).value, rel=1e-12)


@given(st.integers(0, 10_000), st.integers(5, 60), st.integers(1, 4), st.floats(-1000, 1000))
@settings(max_examples=20, deadline=None)
def test_fits_are_equivariant(seed, m, n, shift):
    """θ̂(y + Xa) = θ̂(y) + a and, for absolute loss, θ̂(cy) = cθ̂(y)."""
    X, y = samples(seed, fits=2, m=m + n, n=n)
    a = shift * np.arange(1, n + 1)
    for loss in (losses.Absolute(), losses.Huber()):
        one, two = many.fit(loss, X, y), many.fit(loss, X, y + X @ a)
        values = [loss.values((X[0] @ f.theta[0]), t[0]).mean() for f, t in ((one, y), (two, y + X @ a))]
        assert values[1] == pytest.approx(values[0], rel=1e-9)
    np.testing.assert_allclose(
        many.fit(losses.Absolute(), X, -7 * y).theta, -7 * many.fit(losses.Absolute(), X, y).theta, atol=1e-8
    )


def test_what_the_fast_road_does_not_find_is_left_to_the_other(monkeypatch):
    X, y = samples(2)
    expected = many.fit(losses.Absolute(), X, y)
    monkeypatch.setattr(many, "PIVOTS", 1)
    assert 0 < many.fit(losses.Absolute(), X, y).left_over <= len(X)
    np.testing.assert_allclose(many.fit(losses.Absolute(), X, y).theta, expected.theta, atol=1e-9)
    monkeypatch.setattr(many, "STEPS", 1)
    slow = many.fit(losses.Huber(), X, y)
    assert slow.left_over == len(X)
    monkeypatch.undo()
    np.testing.assert_allclose(slow.theta, many.fit(losses.Huber(), X, y).theta, atol=1e-9)


def test_samples_that_are_not_independent_are_left_over_too():
    X, y = samples(3, fits=2, m=12)
    X[:, :6, :] = 1.0  # half of the samples say the same: vertices through two of them are none
    y[:, :6] = 0.0
    found = many.fit(losses.Absolute(), X, y)
    for i in range(2):
        assert np.abs(y[i] - X[i] @ found.theta[i]).mean() == pytest.approx(
            minimise(losses.Absolute(), X[i], y[i]).value, rel=1e-12
        )


@pytest.mark.parametrize(("kind", "own"), [
    ("mad", "mad"), ("proposal2", sm.robust.scale.HuberScale(d=1.345, tol=1e-13, maxiter=5000)),
])  # fmt: skip
def test_huber_with_a_scale_is_statsmodels_rlm(kind, own):
    X, y = samples(4, outliers=5)
    found = many.fit(losses.Huber(), X, y, kind)
    for i in range(len(X)):
        peer = sm.RLM(y[i], X[i], M=sm.robust.norms.HuberT(1.345)).fit(scale_est=own, tol=1e-12, maxiter=5000)
        np.testing.assert_allclose(found.theta[i], peer.params, atol=2e-5 if kind == "proposal2" else 1e-6)
        if kind == "proposal2":  # of a median of residuals theirs is one step behind
            assert found.sigma[i] == pytest.approx(peer.scale, rel=1e-5)


@pytest.mark.parametrize("nu", [1.0, 3.0, 8.0])
def test_student_t_with_a_scale_is_maximum_likelihood(nu):
    X, y = samples(5, fits=2)
    found = many.fit(losses.StudentT(nu=nu), X, y, "likelihood")
    for i in range(2):

        def surprise(p, i=i):
            return -scipy.stats.t.logpdf(y[i] - X[i] @ p[:-1], nu, scale=np.exp(p[-1])).sum()

        at = np.append(found.theta[i], np.log(found.sigma[i]))
        peer = scipy.optimize.minimize(surprise, at + 0.1, method="BFGS", options={"gtol": 1e-7})
        assert surprise(at) <= peer.fun + 1e-9
        np.testing.assert_allclose(at, peer.x, atol=1e-4)


def test_given_scikit_learns_scale_huber_is_scikit_learns():
    X, y = samples(6, fits=1, outliers=4)
    peer = HuberRegressor(epsilon=1.345, alpha=0, fit_intercept=False, tol=1e-10, max_iter=10000).fit(X[0], y[0])
    found = many.fit(losses.Huber(), X, y / peer.scale_)

    def value(theta):
        return losses.Huber().values(X[0] @ theta / peer.scale_, y[0] / peer.scale_).mean()

    assert value(found.theta[0] * peer.scale_) == pytest.approx(value(peer.coef_), rel=1e-8)


def test_a_scale_solves_its_equation():
    X, y = samples(7, outliers=6)
    m, n = X.shape[1:]
    for kind, loss in (
        ("proposal2", losses.Huber()),
        ("likelihood", losses.Huber()),
        ("likelihood", losses.StudentT()),
    ):
        found = many.fit(loss, X, y, kind)
        u = (np.einsum("fmn,fn->fm", X, found.theta) - y) / found.sigma[:, None]
        psi = scale.score(loss, u)
        beta = scipy.stats.norm.expect(lambda z: np.clip(z, -1.345, 1.345) ** 2)
        left, right = ((psi**2).sum(axis=1), (m - n) * beta) if kind == "proposal2" else ((psi * u).sum(axis=1), m)
        np.testing.assert_allclose(left, right, rtol=1e-7)
        np.testing.assert_allclose(np.einsum("fmn,fm->fn", X, psi), 0, atol=1e-7)


def test_a_scale_that_is_nothing_is_refused():
    X, y = samples(8)
    with pytest.raises(ValueError, match="scale=mad: it is 0, half of the residuals are"):
        many.fit(losses.Huber(), X, np.where(np.arange(40) < 30, X @ np.ones(3), y), "mad")


def test_shapes_of_losses_are_read_off_their_slopes():
    shapes = {name: (scale.is_homogeneous(losses.named(name)), scale.is_monotone(losses.named(name))) for name in REAL}
    assert shapes == {
        "squared": (True, True),
        "absolute": (True, True),
        "huber": (False, True),
        "student_t": (False, False),
    }
    tails = [scale.tail_exponent(losses.named(name)) for name in REAL]
    np.testing.assert_allclose(tails, [1, 0, 0, -1], atol=1e-4)
    assert scale.consistency(losses.Huber()) == pytest.approx(
        scipy.stats.norm.expect(lambda z: np.clip(z, -1.345, 1.345) ** 2), rel=1e-8
    )


@pytest.mark.parametrize(("kind", "loss", "message"), [
    ("mad", losses.Squared(), "loss=squared has the same θ̂ for every scale"),
    ("likelihood", losses.Absolute(), "loss=absolute has the same θ̂"),
    ("proposal2", losses.StudentT(), "may have two roots or none; should be mad or likelihood"),
    ("none", losses.Logistic(), "a scale takes a loss of real numbers"),
])  # fmt: skip
def test_scales_that_make_no_sense_are_refused(kind, loss, message):
    with pytest.raises(ValueError, match=message):
        scale.check(kind, loss)
