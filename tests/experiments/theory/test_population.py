"""Where θ̂ goes, by quadrature: against closed forms, the asymptotics of location, and SciPy's integrals and roots."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.stats

from experiments.theory import asymptotics, population
from experiments.theory.population import Setting, kinks, predict, small_sample, table
from kernels import losses, noises

REAL = ["squared", "absolute", "huber", "student_t"]
NOISES = ["gaussian", "laplace", "student_t", "contaminated"]


@pytest.mark.parametrize("loss", REAL)
@pytest.mark.parametrize("noise", NOISES)
def test_without_outliers_the_variance_is_that_of_location(loss, noise):
    there = table(losses.named(loss), noises.named(noise))
    assert there.variance == pytest.approx(asymptotics.variance(losses.named(loss), noises.named(noise)), rel=1e-4)
    infinite = (loss, noise) == ("squared", "student_t")  # E z⁴ of three degrees of freedom
    assert math.isinf(there.fourth) is infinite


def test_only_a_kink_where_psi_jumps_bends_the_score():
    bent = {(x, y): table(losses.named(x), noises.named(y)).kink for x in REAL for y in NOISES}
    assert bent.pop(("absolute", "laplace")) == pytest.approx(0.5, abs=1e-3)  # f(x) = ½(1 − |x| + …): λ = u − ½u|u|
    assert max(bent.values()) < 1e-3


@pytest.mark.parametrize(("loss", "expected"), [
    (losses.Huber(), [-1.345, 0, 1.345]), (losses.Huber(delta=0.5), [-0.5, 0, 0.5]), (losses.Absolute(), [0]),
    (losses.StudentT(), [0]),
])  # fmt: skip
def test_kinks_of_a_loss(loss, expected):
    found = np.array(kinks(loss))
    assert all(np.abs(found - k).min() <= 1e-4 for k in expected)
    assert all(np.abs(np.array(expected) - k).min() <= 2e-4 for k in found)


@pytest.mark.parametrize(("m", "n"), [(20, 3), (50, 1)])
def test_the_trace_of_an_inverse_wishart_with_a_column_of_ones(m, n):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40_000, m, n + 1))
    X[:, :, -1] = 1
    traces = np.trace(np.linalg.inv(X.transpose(0, 2, 1) @ X), axis1=1, axis2=2)
    assert small_sample(m, n) == pytest.approx(traces.mean(), abs=5 * traces.std() / 200)
    assert math.isinf(small_sample(n + 2, n))


def test_least_squares_is_exact():
    """E‖θ̂ − θ*‖² = σ²·E tr(XᵀX)⁻¹; outliers in y: the intercept goes ε·shift, all slopes stay."""
    clean = predict(losses.Squared(), Setting(noises.Gaussian(scale=2.0), 30, 4))
    assert clean.squared_error == pytest.approx(4 * small_sample(30, 4), rel=1e-9)
    d = predict(losses.Squared(), Setting(noises.Laplace(), 100, 3, 0.2, 7.0)).bias
    np.testing.assert_allclose(d, (1.4, 0.0), atol=1e-6)


def test_leverage_on_least_squares_is_a_projection():
    """d = (E xxᵀ)⁻¹ E x·z, 2 × 2 in intercept and first slope."""
    share, shift, far = 0.1, 50.0, 8.0
    gram = np.array([[1, share * far], [share * far, 1 + share * far**2]])
    expected = np.linalg.solve(gram, share * shift * np.array([1, far]))
    np.testing.assert_allclose(
        predict(losses.Squared(), Setting(noises.Gaussian(), 100, 3, share, shift, far)).bias, expected, rtol=1e-6
    )


@pytest.mark.parametrize("share", [0.05, 0.2, 0.4])
def test_the_shift_of_absolute_and_huber_loss_by_scipys_integrals(share):
    """(1 − ε)·E ψ(b − Z) + ε·E ψ(b − Z − K) = 0 (Huber 1964)."""
    shift, normal = 9.0, scipy.stats.norm

    def pull(psi, b):
        total = 0.0
        for weight, k in ((1 - share, 0.0), (share, shift)):
            bends = [b - k - 1.345, b - k, b - k + 1.345]
            part = scipy.integrate.quad(lambda z, k=k: psi(b - z - k) * normal.pdf(z), -12, 12, points=bends, limit=200)
            total += weight * part[0]
        return total

    setting = Setting(noises.Gaussian(), 500, 2, share, shift)
    for loss, psi in ((losses.Absolute(), np.sign), (losses.Huber(), lambda r: np.clip(r, -1.345, 1.345))):
        expected = scipy.optimize.brentq(lambda b, psi=psi: pull(psi, b), 0, shift)
        assert predict(loss, setting).bias[0] == pytest.approx(expected, rel=1e-4)
    assert predict(losses.Absolute(), setting).bias[0] == pytest.approx(normal.ppf(0.5 / (1 - share)), rel=1e-3)


@pytest.mark.parametrize("kind", ["mad", "proposal2"])
def test_scales_without_outliers_are_those_of_the_normal(kind):
    at = predict(losses.Huber(), Setting(noises.Gaussian(scale=3.0), 100, 2), kind)
    assert at.sigma == pytest.approx(3.0, rel=1e-4)
    assert at.variance == pytest.approx(9 * asymptotics.variance(losses.Huber(), noises.Gaussian()), rel=1e-3)


def test_the_likelihoods_scale_under_its_own_noise_is_the_noises():
    at = predict(losses.StudentT(nu=4.0), Setting(noises.StudentT(nu=4.0, scale=0.5), 100, 2), "likelihood")
    assert at.sigma == pytest.approx(0.5, rel=1e-4)


def test_a_loss_that_turns_back_has_a_good_and_a_bad_basin():
    setting = Setting(noises.Gaussian(), 200, 3, 0.1, 300.0, 20.0)
    good, bad = (predict(losses.StudentT(), setting, from_truth=truth).bias for truth in (True, False))
    assert np.hypot(*good) < 0.1
    assert bad[1] == pytest.approx(300 / 20, rel=0.05)  # through the outliers
    assert population.breaking_leverage(0.1) == pytest.approx(9 * math.sqrt(2 / math.pi))
    assert population.breaking_leverage(0.0) == math.inf
