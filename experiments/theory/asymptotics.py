"""How well a loss estimates under a noise, by theory: variances of M-estimators of location, large samples and small ones.

With ψ = δ(h, y) at h = a, X the noise around 0 and s = −(log f)′ its score, the minimiser Tₙ of Σ ℓ(a, xᵢ) has

    n·Var Tₙ → V = E[ψ²] / (E[ψ s])²         and no estimator does better than 1/E[s²]           (Cramér–Rao)

E[ψ s] is what is otherwise written E[ψ′]: integrated by parts, so that a ψ that jumps needs no care (of the median it is 2f(0)).
The efficiency 1/(V·E[s²]) is thus the squared correlation of a loss's δ with the noise's score. Nothing is assumed of either but
that they can be evaluated. Source: Huber, Robust Statistics, 1981, chapter 3 (doi:10.1002/0471725250).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from kernels.losses import Loss
from kernels.noises import Noise

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)
# The line is cut at 0 and at these sizes on either side, and then where an integrand asks for it.
SIZES = 10.0 ** np.arange(-12, 61)
DEEPEST = 60  # halvings on the way to a kink
ROUGH = (
    1e-12  # how far the integral over a piece may be from that over its halves, as a share of the whole integral's size
)
# What lies beyond the far size must be below this share of an integral: it is infinite else.
FAR, TAIL = 1e40, 1e-7
SYMMETRIC = 1e-9  # E ψ below this share of E|ψ| is 0
RELATIVE_STEP = 1e-3  # of the differences that a score is made of


def mesh(*integrands: Function) -> Array:
    """The ends of pieces of the line on each of which every integrand is a polynomial, as far as Gauss's rule tells."""
    edges = np.concatenate([-SIZES[::-1], [0.0], SIZES])
    left, right = edges[:-1], edges[1:]
    totals = [np.sum(_over(integrand, left, right, np.abs)) for integrand in integrands]
    settled: list[Array] = []
    for _ in range(DEEPEST):
        middle = 0.5 * (left + right)
        rough = np.zeros(len(left), bool)
        for integrand, total in zip(integrands, totals, strict=True):
            halves = _over(integrand, left, middle) + _over(integrand, middle, right)
            rough |= np.abs(_over(integrand, left, right) - halves) > ROUGH * total
        settled.append(left[~rough])
        left, right = np.concatenate([left[rough], middle[rough]]), np.concatenate([middle[rough], right[rough]])
        if not len(left):
            break
    return np.append(np.sort(np.concatenate([*settled, left])), edges[-1])


def nodes(edges: Array) -> tuple[Array, Array]:
    """The nodes and weights of Gauss's rule on every piece."""
    half = 0.5 * np.diff(edges)[:, None]
    return (edges[:-1, None] + half * (1 + NODES)).ravel(), (half * WEIGHTS).ravel()


def _over(integrand: Function, left: Array, right: Array, of: Function = lambda values: values) -> Array:
    """The integral over each piece, of the integrand or of a function of it."""
    half = 0.5 * (right - left)[:, None]
    x = left[:, None] + half * (1 + NODES)
    return np.asarray((of(integrand(x.ravel())).reshape(x.shape) * half * WEIGHTS).sum(axis=1))


def density(noise: Noise, x: Array) -> Array:
    """f(x) around h = 0."""
    with np.errstate(over="ignore"):  # far out, where formulas end and there is no probability either
        return np.exp(noise.log_density(x, np.zeros_like(x)))


def score(noise: Noise, x: Array) -> Array:
    """s(x) = −(log f)′, from differences that do not reach over 0, where densities may have a kink; of fourth order."""
    step = RELATIVE_STEP * x

    def log(k: int) -> Array:
        return noise.log_density(x + k * step, np.zeros_like(x))

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # beyond all probability log f is −∞
        return np.where(density(noise, x) > 0, (log(2) - 8 * log(1) + 8 * log(-1) - log(-2)) / (12 * step), 0.0)


def psi(loss: Loss, x: Array, at: float = 0.0) -> Array:
    """ψ = δ(h, x) at h = `at`."""
    return np.asarray(loss.deltas(np.full(len(x), at), x))


def expectation(noise: Noise, function: Function) -> float:
    """E[g(X)] for X the noise around 0; ∞ where too much of it lies beyond all sizes. Relative accuracy 1e-10 or so."""

    def integrand(x: Array) -> Array:
        f = density(noise, x)
        return np.where(f > 0, function(x) * f, 0.0)

    x, weights = nodes(mesh(integrand))
    terms = integrand(x) * weights
    far = np.abs(terms[np.abs(x) > FAR]).sum()
    return math.inf if far > TAIL * np.abs(terms).sum() else float(terms.sum())


@lru_cache(maxsize=256)
def information(noise: Noise) -> float:
    """Fisher's information of one draw on where the noise is, E[s²]."""
    return expectation(noise, lambda x: score(noise, x) ** 2)


def bound(noise: Noise) -> float:
    """1/E[s²], which n·Var of no unbiased estimator comes below (Cramér 1946, Rao 1945)."""
    return 1 / information(noise)


@lru_cache(maxsize=256)
def target(loss: Loss, noise: Noise) -> float:
    """What the estimator estimates: the a with E ψ(a, X) = 0; 0 for a noise that is symmetric and a loss that is."""

    def pull(a: float) -> float:
        return expectation(noise, lambda x: psi(loss, x, a))

    at_zero, size = pull(0.0), expectation(noise, lambda x: np.abs(psi(loss, x)))
    if abs(at_zero) <= SYMMETRIC * size:
        return 0.0
    width = 1.0
    while pull(-width) > 0 or pull(width) < 0:
        width *= 2
        if width > SIZES[-1]:
            raise ValueError(
                f"loss={loss.name} under noise={noise.name}: E δ has one sign everywhere; it estimates nothing"
            )
    return float(brentq(pull, -width, width, xtol=1e-13 * width))


@lru_cache(maxsize=256)
def variance(loss: Loss, noise: Noise) -> float:
    """V = E[ψ²] / (E[ψ s])², the limit of n·Var of the best constant under the loss; ∞ where ψ has no variance."""
    at = target(loss, noise)
    square = expectation(noise, lambda x: psi(loss, x, at) ** 2)
    slope = expectation(noise, lambda x: psi(loss, x, at) * score(noise, x))
    return square / slope**2


def efficiency(loss: Loss, noise: Noise) -> float:
    """1/(V·E[s²]), at most 1: the squared correlation of ψ with the score."""
    return bound(noise) / variance(loss, noise)
