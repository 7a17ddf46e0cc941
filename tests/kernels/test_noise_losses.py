"""Pairs of a noise and a loss: the loss is −log of the noise's density, up to a factor and a constant."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
from densities import ALL, MATCHED, density, several, varied

from kernels import losses, noises


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
