"""Theory of estimates of location, against closed forms, SciPy's quadrature and order statistics."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.location_race import vectorised
from experiments.theory.asymptotics import bound, efficiency, expectation, information, score, target, variance
from experiments.theory.replicates import replicates_for, unseen_share
from experiments.theory.small_samples import distribution, finite_variance
from kernels import losses, noises
from kernels.losses import Absolute, Huber, Squared, StudentT, Target
from kernels.noises import Contaminated, Gaussian, Laplace, Noise

NORMAL = scipy.stats.norm
REAL_LOSSES = [name for name, loss in losses.ALL.items() if loss.target is Target.REAL]
REAL_NOISES = [name for name, noise in noises.ALL.items() if noise.target is Target.REAL]


def t(nu):
    return noises.StudentT(float(nu))


@pytest.mark.parametrize(
    ("loss", "noise", "against_mean"),
    [
        (Absolute(), Gaussian(), 2 / math.pi), (Absolute(), Laplace(), 2.0), (Absolute(), t(3), 16 / math.pi**2),
        (Absolute(), t(4), 1.125), (Absolute(), t(5), 0.9606749263871),
        (Huber(1.345), Gaussian(), 0.9500002597), (StudentT(3.0), Gaussian(), 0.9007976675),
    ],
)  # fmt: skip
def test_efficiencies_of_textbooks(loss, noise, against_mean):
    assert variance(Squared(), noise) / variance(loss, noise) == pytest.approx(against_mean, rel=1e-9)


@pytest.mark.parametrize("bend", [0.1, 1.0, 1.345, 3.0])
def test_huber_under_the_normal_in_closed_form(bend):
    inside = 2 * NORMAL.cdf(bend) - 1
    square = inside - 2 * bend * NORMAL.pdf(bend) + 2 * bend**2 * NORMAL.sf(bend)
    assert variance(Huber(bend), Gaussian()) == pytest.approx(square / inside**2, rel=1e-9)


def test_the_median_and_the_mean_tie_under_contamination():
    noise = Contaminated(0.1, 3.0)
    density = 0.9 * NORMAL.pdf(0) + 0.1 * NORMAL.pdf(0) / 3
    assert variance(Absolute(), noise) == pytest.approx(1 / (4 * density**2), rel=1e-9)
    assert variance(Squared(), noise) == pytest.approx(0.9 + 0.1 * 9, rel=1e-9)


@pytest.mark.parametrize(
    ("noise", "least"),
    [(Gaussian(2.0), 4.0), (Laplace(0.5), 0.25), (t(3), 1.5), (t(1), 2.0), (noises.StudentT(5.0, 2.0), 4 * 8 / 6)],
)
def test_the_bounds_of_cramer_and_rao(noise, least):
    assert bound(noise) == pytest.approx(least, rel=1e-8)


def test_fishers_information_of_a_mixture_by_scipy():
    noise = Contaminated(0.2, 5.0)

    def term(x):
        f = 0.8 * NORMAL.pdf(x) + 0.2 * NORMAL.pdf(x, scale=5)
        slope = -0.8 * x * NORMAL.pdf(x) - 0.2 * x / 25 * NORMAL.pdf(x, scale=5)
        return slope**2 / f

    assert information(noise) == pytest.approx(2 * scipy.integrate.quad(term, 0, 60, limit=400)[0], rel=1e-8)


@pytest.mark.parametrize("noise", REAL_NOISES)
def test_no_loss_beats_the_bound_and_a_noises_own_reaches_it(noise):
    made = noises.named(noise)
    for name in REAL_LOSSES:
        assert efficiency(losses.named(name), made) <= 1 + 1e-9
    if made.matched_loss():
        assert efficiency(made.matched_loss()[0], made) == pytest.approx(1, rel=1e-8)


@settings(deadline=None, max_examples=10)
@given(st.floats(0.01, 100), st.sampled_from(["squared", "absolute"]), st.sampled_from(REAL_NOISES))
def test_variances_scale_with_the_noise(scale, loss, noise):
    kind = noises.ALL[noise]
    assert variance(losses.named(loss), kind(scale=scale)) == pytest.approx(
        scale**2 * variance(losses.named(loss), kind()), rel=1e-8
    )


def test_what_is_infinite_is_said_to_be():
    assert variance(Squared(), t(2)) == math.inf
    assert variance(Squared(), t(1)) == math.inf
    assert variance(Squared(), t(3)) == pytest.approx(3, rel=1e-8)
    assert expectation(t(4), lambda x: x**4) == math.inf
    assert expectation(t(5), lambda x: x**4) == pytest.approx(scipy.stats.t.moment(4, 5), rel=1e-8)


@dataclass(frozen=True)
class Skew(Noise):
    """The logarithm of an exponential number: the density leans to the left."""

    name = "skew"
    target = Target.REAL
    loss = None

    def log_density(self, y, h):
        return scipy.stats.gumbel_l.logpdf(np.asarray(y - h, float))


@dataclass(frozen=True)
class OneSided(Skew):
    """Nothing is below 0."""

    name = "one_sided"

    def log_density(self, y, h):
        return scipy.stats.expon.logpdf(np.asarray(y - h, float))


def test_any_noise_will_do():
    law = scipy.stats.gumbel_l
    assert target(Squared(), Skew()) == pytest.approx(law.mean(), abs=1e-9)
    assert target(Absolute(), Skew()) == pytest.approx(law.median(), abs=1e-9)
    assert variance(Squared(), Skew()) == pytest.approx(law.var(), rel=1e-9)
    assert variance(Absolute(), Skew()) == pytest.approx(1 / (4 * law.pdf(law.median()) ** 2), rel=1e-8)
    assert information(Skew()) == pytest.approx(1, rel=1e-8)  # s = e^x − 1, and e^X is exponential
    assert target(Squared(), OneSided()) == pytest.approx(1, abs=1e-9)


def test_scores_of_textbooks():
    x = np.array([-7.0, -0.3, 1e-4, 0.5, 20.0])
    np.testing.assert_allclose(score(Gaussian(2.0), x), x / 4, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(score(Laplace(2.0), x), np.sign(x) / 2, rtol=1e-7)
    np.testing.assert_allclose(score(t(3), x), 4 * x / (3 + x**2), rtol=1e-7, atol=1e-9)
    assert score(Gaussian(), np.array([1e3]))[0] == 0  # of no probability


# Few samples


@pytest.mark.parametrize(("samples", "exact"), [(3, 0.44867), (5, 0.28683), (7, 0.21045), (11, 0.13716)])
def test_the_median_of_few_normal_numbers(samples, exact):
    """Variances of the median, from tables of order statistics (Teichroew 1956)."""
    assert finite_variance(Absolute(), Gaussian(), samples) / samples == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize(("noise", "law"), [(Laplace(), scipy.stats.laplace), (t(3), scipy.stats.t(3))])
@pytest.mark.parametrize("samples", [5, 25, 101])
def test_the_median_of_few_by_the_beta_distribution(noise, law, samples):
    middle = scipy.stats.beta((samples + 1) / 2, (samples + 1) / 2)
    exact = scipy.integrate.quad(lambda u: middle.pdf(u) * law.ppf(u) ** 2, 0, 1, points=[0.5], limit=200)[0]
    assert finite_variance(Absolute(), noise, samples) == pytest.approx(samples * exact, rel=2e-4)


def test_a_mean_has_its_variance_at_any_size():
    for samples in (2, 10, 1000):
        assert finite_variance(Squared(), Laplace(2.0), samples) == pytest.approx(8, rel=1e-9)
    assert finite_variance(Squared(), t(2), 10) == math.inf


REPLICATES = 100_000


@pytest.mark.sampled(3)
@pytest.mark.parametrize("loss", [Huber(), Huber(0.3), StudentT()])
@pytest.mark.parametrize("noise", [Gaussian(), Laplace(), t(3), Contaminated()])
def test_ten_samples_by_numpys_monte_carlo(loss, noise):
    """The expansion in 1/n, where n is 10: within 1 % and the simulation's own error."""
    x = noise.sample(np.zeros((REPLICATES, 10)), np.random.default_rng(0))
    square = 10 * vectorised(loss)(x) ** 2
    error = square.std() / math.sqrt(REPLICATES)
    found = finite_variance(loss, noise, 10)
    assert abs(square.mean() - found) <= 4 * error + 0.01 * found


@pytest.mark.parametrize("noise", [Gaussian(), Laplace(), t(3)])
@pytest.mark.parametrize("samples", [26, 100])
def test_the_median_of_an_even_number(noise, samples):
    rng = np.random.default_rng(1)
    x = noise.sample(np.zeros((REPLICATES // 2, samples)), rng)
    square = samples * np.median(x, axis=1) ** 2
    error = square.std() / math.sqrt(len(square))
    found = finite_variance(Absolute(), noise, samples)
    assert abs(square.mean() - found) <= 4 * error + 0.01 * found


def test_a_skew_noise_is_no_exception():
    rng = np.random.default_rng(2)
    x = np.log(rng.exponential(size=(REPLICATES, 15)))
    found = vectorised(Huber())(x)
    expected = finite_variance(Huber(), Skew(), 15)
    assert 15 * found.var() == pytest.approx(expected, rel=0.03)


def test_many_samples_are_the_limit():
    for loss in (Absolute(), Huber(), StudentT()):
        assert finite_variance(loss, Gaussian(), 10**6) == pytest.approx(variance(loss, Gaussian()), rel=1e-4)


@pytest.mark.parametrize(("noise", "law"), [(Laplace(2.0), scipy.stats.laplace(scale=2)), (t(3), scipy.stats.t(3))])
def test_distributions_are_scipys(noise, law):
    x = np.array([-30.0, -1.0, 0.0, 0.7, 12.0])
    np.testing.assert_allclose(distribution(noise, x), law.cdf(x), rtol=1e-9, atol=1e-11)


# How many replicates


def test_a_normal_estimator_takes_what_was_asked_for():
    for loss in (Squared(), Absolute(), Huber()):
        assert replicates_for(loss, Gaussian(), 25, 10_000) == 10_000
    assert replicates_for(Squared(), t(2), 25, 10_000) == 10_000  # it has no variance to be sure of


def test_kurtosis_costs_replicates():
    """The mean of n Laplace numbers has the kurtosis 3 + 3/n."""
    assert replicates_for(Squared(), Laplace(), 10, 10**6) == pytest.approx(1e6 * (2 + 3 / 10) / 2, rel=2e-3)


def test_heavy_tails_cost_more_the_fewer_the_samples():
    wanted = [replicates_for(Squared(), t(3), samples, 10**5) for samples in (10, 50, 500)]
    assert 3e5 < wanted[0] <= 20e5
    assert wanted[0] > wanted[1] > wanted[2] > 1e5


def test_so_many_make_the_mean_under_heavy_tails_as_sure_as_a_normal_one():
    """The relative error of a variance from R normal numbers is √(2/R): what the spread over batches says here, within a factor."""
    rng, wanted = np.random.default_rng(0), replicates_for(Squared(), t(3), 25, 20_000)
    means = [rng.standard_t(3, (wanted // 50, 25)).mean(axis=1).var() for _ in range(50)]
    error = np.std(means) / np.mean(means) / math.sqrt(50)
    assert 0.3 < error / math.sqrt(2 / 20_000) < 2


def test_what_is_unseen_of_heavy_tails_in_closed_form():
    """Beyond x₀, with P(|T| > x₀) = 1/(nR), lies ∫ x² f of E T² = 3; a bounded ψ leaves next to nothing."""
    samples, replicates = 25, 10**6
    law = scipy.stats.t(3)
    edge = law.isf(0.5 / (samples * replicates))
    beyond = 2 * scipy.integrate.quad(lambda x: x**2 * law.pdf(x), edge, np.inf)[0] / 3
    assert unseen_share(Squared(), t(3), samples, replicates) == pytest.approx(beyond, rel=0.02)
    assert unseen_share(Huber(), t(3), samples, replicates) < 1e-6
    assert unseen_share(Squared(), Gaussian(), samples, replicates) < 1e-5


def test_a_variance_of_heavy_tails_comes_out_too_small_by_what_is_unseen():
    """The median of many variances is below the truth, but not by more than what is unseen."""
    rng = np.random.default_rng(1)
    variances = [10 * rng.standard_t(3, (2000, 10)).mean(axis=1).var() for _ in range(400)]
    missing = unseen_share(Squared(), t(3), 10, 2000)
    assert np.median(variances) < 3 * (1 - missing / 4)
    assert np.median(variances) * (1 + missing) > 3
