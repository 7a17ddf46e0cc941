"""Noises in tests: their variants, and their densities by SciPy."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats

from kernels import noises
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
