"""Each noise: its density against SciPy's, its sampler against its density, its loss against −log of it."""

from __future__ import annotations

import dataclasses
import itertools

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
from problems import LAYOUTS

from kernels import Objective, losses, noises
from kernels.losses import Target

OUTPUTS = 3  # logits of the noises that take several
SAMPLES = 20_000
# The seeds are fixed, so that a test that passes passes always; a sampler that is right fails one seed in 10⁴.
P_VALUE = 1e-4
LOGITS = np.array([0.4, -1.1, 0.9])


def of_target(*targets):
    return [pytest.param(name, id=name) for name, noise in noises.ALL.items() if noise.target in targets]


ALL = of_target(*Target)
REAL = of_target(Target.REAL)
DISCRETE = of_target(Target.BINARY, Target.CLASS, Target.COUNTS)
MATCHED = [pytest.param(name, id=name) for name, noise in noises.ALL.items() if noise.loss is not None]


def several(noise):
    return noise.target in (Target.CLASS, Target.COUNTS)


def varied(kind, factors):
    """The noise with each parameter at some multiple of its default: a valid one, whatever the parameters mean."""
    defaults = dataclasses.asdict(kind())
    return kind(
        **{
            name: type(default)(default * factor)
            for (name, default), factor in zip(defaults.items(), itertools.cycle(factors), strict=False)
        }
    )


def variants(name):
    return [noises.named(name), varied(noises.ALL[name], [0.5, 1.7]), varied(noises.ALL[name], [4.0, 0.3])]


def mixture(noise, one, other):
    return (1 - noise.share) * one + noise.share * other


def scipy_log_density(noise, y, h):
    """log p(y | h) by SciPy, for h (m,) or (m, k)."""
    r = y - h if noise.target is Target.REAL else None
    if noise.name == "gaussian":
        return scipy.stats.norm.logpdf(r, scale=noise.scale)
    if noise.name == "laplace":
        return scipy.stats.laplace.logpdf(r, scale=noise.scale)
    if noise.name == "student_t":
        return scipy.stats.t.logpdf(r, noise.nu, scale=noise.scale)
    if noise.name == "contaminated":
        core, wide = (scipy.stats.norm.pdf(r, scale=s) for s in (noise.scale, noise.outlier * noise.scale))
        return np.log(mixture(noise, core, wide))
    if noise.name == "bernoulli":
        return scipy.stats.bernoulli.logpmf(y, scipy.special.expit(h))
    p = scipy.special.softmax(h, axis=-1)
    if noise.name == "categorical":
        return scipy.stats.multinomial.logpmf(np.eye(OUTPUTS)[y], 1, p)
    if noise.name == "multinomial":
        return scipy.stats.multinomial.logpmf(y, noise.trials, p)
    raise AssertionError(f"no reference for noise {noise.name}: write one, with SciPy")


def scipy_cdf(noise):
    if noise.name == "gaussian":
        return scipy.stats.norm(scale=noise.scale).cdf
    if noise.name == "laplace":
        return scipy.stats.laplace(scale=noise.scale).cdf
    if noise.name == "student_t":
        return scipy.stats.t(noise.nu, scale=noise.scale).cdf
    if noise.name == "contaminated":
        core, wide = (scipy.stats.norm(scale=s).cdf for s in (noise.scale, noise.outlier * noise.scale))
        return lambda r: mixture(noise, core(r), wide(r))
    raise AssertionError(f"no reference for noise {noise.name}: write one, with SciPy")


def outcomes(noise):
    """Every y there is, for one sample of OUTPUTS logits (or of one)."""
    if noise.target is Target.BINARY:
        return np.array([0.0, 1.0])
    if noise.target is Target.CLASS:
        return np.arange(OUTPUTS)
    counts = itertools.product(range(noise.trials + 1), repeat=OUTPUTS)
    return np.array([c for c in counts if sum(c) == noise.trials], float)


def repeated(noise, count):
    """The same hypothesis for so many samples."""
    return np.tile(LOGITS, (count, 1)) if several(noise) else np.full(count, LOGITS[0])


def probabilities(noise):
    every = outcomes(noise)
    return every, np.exp(noise.log_density(every, repeated(noise, len(every))))


def density(noise):
    """p(r | 0) as a function of one number."""
    return lambda r: np.exp(noise.log_density(np.array(r), np.array(0.0)))


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


# Pairs of a noise and a loss


def offsets(noise, loss, weight, y, h):
    """−log p(y | h) − w·ℓ(h, y) for one y and several h, and the size of its terms: for a pair the same for all h."""
    targets = np.repeat(y, len(h), axis=0)
    terms = -noise.log_density(targets, h), weight * loss.values(h, targets)
    return terms[0] - terms[1], max(1, *(np.abs(term).max() for term in terms))


@pytest.mark.parametrize("name", MATCHED)
@hypothesis.given(data=st.data())
def test_the_loss_is_minus_log_of_the_noise(name, data):
    """loss-is-noise: up to a factor and a term without h, for any parameters, hypotheses and targets."""
    kind = noises.ALL[name]
    factors = data.draw(st.lists(st.floats(0.2, 5), min_size=3, max_size=3), label="parameters over their defaults")
    width = data.draw(st.integers(1, 6), label="outputs") if several(kind) else 1
    numbers = st.lists(st.floats(-30, 30), min_size=width, max_size=width)
    h = np.array(data.draw(st.lists(numbers, min_size=4, max_size=4), label="hypotheses"))
    noise = varied(kind, factors)
    h = h if several(noise) else h[:, 0]
    y = noise.sample(h[:1], np.random.default_rng(data.draw(st.integers(0, 2**32), label="seed")))
    loss, weight = noise.matched_loss()
    offset, size = offsets(noise, loss, weight, y, h)
    assert np.ptp(offset) <= 1e-11 * size


@pytest.mark.parametrize("name", ALL)
def test_names_of_noise_and_loss_agree(name):
    noise = noises.named(name)
    if noise.loss is None:
        assert noise.matched_loss() is None
        return
    loss, weight = noise.matched_loss()
    assert loss.name == noise.loss
    assert loss.target is noise.target
    assert type(loss) is losses.ALL[noise.loss]
    assert weight > 0


@pytest.mark.parametrize(
    ("name", "other"),
    [
        (name, other)
        for name, noise in noises.ALL.items()
        for other, loss in losses.ALL.items()
        if noise.target is loss.target and noise.loss != other
    ],
)
def test_no_other_loss_is_minus_log_of_the_noise(name, other):
    """The test above can fail: with the best factor there is, any other loss leaves a term with h."""
    noise, loss = noises.named(name), losses.named(other)
    h = np.linspace(-6, 6, 49)
    y = np.array([0.5])
    surprise, _ = offsets(noise, loss, 0.0, y, h)
    value = loss.values(h, np.repeat(y, 49))
    weight = np.cov(surprise, value)[0, 1] / np.var(value, ddof=1)
    offset, size = offsets(noise, loss, weight, y, h)
    assert np.ptp(offset) > 0.01 * size


def test_the_contaminated_noise_is_a_mixture_and_no_losss_own():
    noise = noises.Contaminated(share=0.3, outlier=5, scale=2)
    assert noise.loss is None
    assert noise.matched_loss() is None
    r = np.linspace(-30, 30, 61)
    core, wide = (np.exp(noises.Gaussian(scale).log_density(r, 0 * r)) for scale in (2, 10))
    np.testing.assert_allclose(np.exp(noise.log_density(r, 0 * r)), 0.7 * core + 0.3 * wide, rtol=1e-13)


def test_student_t_is_a_gaussian_with_random_variance():
    """Notes 5.2: with ν/σ² from χ²(ν), the mixture of Gaussians has Student's density."""
    nu, scale = 4, 1.5

    def at(x, r):
        return scipy.stats.chi2.pdf(x, nu) * density(noises.Gaussian(scale * (nu / x) ** 0.5))(r)

    for r in (0.0, 0.7, 5.0):
        mixed, _ = scipy.integrate.quad(at, 0, np.inf, args=(r,))
        assert density(noises.StudentT(nu, scale))(r) == pytest.approx(mixed, rel=1e-7)


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
