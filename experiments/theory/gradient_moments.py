"""What a batch makes of the gradient, from each sample's own: vᵢ = xᵢδᵢᵀ, g = 1/m Σ vᵢ, Σ = 1/m Σ vᵢvᵢᵀ − ggᵀ (notes 7.3).

The mean over a batch of B samples, g_B, has mean g and covariance c·Σ, with c = 1/B where samples are drawn with replacement and
(1/B)(m − B)/(m − 1) without (the finite-population factor: a batch of all samples is g itself). So E‖g_B − g‖² = c·tr Σ. Nothing
that is m × n × k is ever made: ‖vᵢ‖² = ‖xᵢ‖²‖δᵢ‖².
Sources: Cochran, Sampling Techniques, 3rd ed., theorem 2.2; McCandlish et al., 2018, arXiv:1812.06162, for the noise scales.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from experiments.data import Data
from experiments.fitting.optimum import Optimum, minimise
from experiments.train import prepare
from kernels import Objective, layouts
from kernels.losses import Loss

Array = NDArray[np.float64]

# Of the central differences that ∂δ/∂h is made of; h is of order one.
STEP = 1e-5
# Rows of K = XXᵀ at a time: K itself may have no room.
BLOCK = 512
# A loss is quadratic if ∂δ/∂h is the same wherever it was looked at, to what differences of δ leave.
CONSTANT = 1e-6


@dataclass(frozen=True, eq=False)
class Problem:
    """Samples X (m, n) and y in float64, the mean loss f over them, and where it is least."""

    loss: Loss
    X: Array
    y: NDArray[Any]
    outputs: int
    optimum: Optimum
    start_value: float  # f(0)

    @property
    def objective(self) -> Objective:
        """f over samples in rows."""
        return Objective(self.loss)

    @property
    def samples(self) -> int:
        return len(self.X)

    def value(self, theta: Array) -> float:
        """f(θ)."""
        return self.objective.value_and_grad(self.X, self.y, theta)[0]

    def level(self, progress: float) -> float:
        """The loss at which so large a share of what lies between f(0) and the least loss is gone."""
        return self.start_value - progress * (self.start_value - self.optimum.value)

    def at(self, progress: float) -> Array:
        """θ (n, k) on the straight line from 0 to θ̂ where f is at that level."""
        if progress == 0:
            return np.zeros_like(self.optimum.theta)
        level = self.level(progress)
        share = brentq(lambda t: self.value(t * self.optimum.theta) - level, 0.0, 1.0, xtol=1e-15)
        return np.asarray(share * self.optimum.theta)


def problem(data: Data, loss: Loss, seed: int) -> Problem:
    """The data of that seed and the optimum of the loss over them; the same object again, since a sweep asks often."""
    return _problem(data, loss, seed if data.random else 0, data.stamp())


@lru_cache(maxsize=4)
def _problem(data: Data, loss: Loss, seed: int, stamp: str) -> Problem:
    p = prepare(data, seed, layouts.named("rows"), "float64", loss.target)
    optimum = minimise(loss, p.X, p.y, p.outputs)
    start, _ = Objective(loss).value_and_grad(p.X, p.y, np.zeros((p.features, p.outputs)))
    return Problem(loss, p.X, p.y, p.outputs, optimum, start)


@dataclass(frozen=True, eq=False)
class Moments:
    """Of the samples' gradients at one θ: g (n, k), tr Σ, and how f curves along both: gᵀHg and tr HΣ (NaN without an H)."""

    gradient: Array
    total_variance: float
    curvature_along: float
    curvature_of_noise: float

    @property
    def noise_scale(self) -> float:
        """tr Σ/‖g‖²: the batch whose noise is as large as its gradient (McCandlish's B_simple); ∞ where g = 0."""
        return _over(self.total_variance, float(np.sum(self.gradient**2)))

    @property
    def curved_noise_scale(self) -> float:
        """tr HΣ/gᵀHg: the batch that does half as much in its best step as all samples (McCandlish's B_noise)."""
        return _over(self.curvature_of_noise, self.curvature_along)


def _over(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.inf if whole == 0 else math.nan


def moments(loss: Loss, X: Array, y: NDArray[Any], theta: Array) -> Moments:
    """The moments at θ (n, k), from δ and ∂δ/∂h of each sample."""
    H = X @ theta
    deltas = np.asarray(loss.deltas(H, y), np.float64)
    g = X.T @ deltas / len(X)
    sizes = np.einsum("ij,ij->i", X, X) * np.einsum("ij,ij->i", deltas, deltas)
    along = of_noise = math.nan
    if math.isfinite(loss.curvature):
        W = curvatures(loss, H, y)
        u = X @ g
        along = float(np.einsum("ia,iab,ib->", u, W, u)) / len(X)
        of_noise = _sum_of_squared_products(X, W, deltas) / len(X) ** 2 - along
    return Moments(g, float(sizes.mean() - np.sum(g * g)), along, of_noise)


def _sum_of_squared_products(X: Array, W: Array, deltas: Array) -> float:
    """Σᵢⱼ (xᵢ·xⱼ)² δⱼᵀWᵢδⱼ: what all samples' gradients meet of all samples' curvature."""
    m, k = deltas.shape
    flat, total = W.reshape(m, k * k), 0.0
    for first in range(0, m, BLOCK):
        some = slice(first, first + BLOCK)
        met = (X[some] @ X.T) ** 2 @ flat
        outer = (deltas[some, :, None] * deltas[some, None, :]).reshape(-1, k * k)
        total += float(np.sum(met * outer))
    return total


@lru_cache(maxsize=64)
def moments_at(p: Problem, progress: float) -> Moments:
    """The moments where so large a share of the loss above the least one is gone; kept, since many batches ask for them."""
    return moments(p.loss, p.X, p.y, p.at(progress))


def curvatures(loss: Loss, H: Array, y: NDArray[Any]) -> Array:
    """W (m, k, k): ∂δ/∂h = ∂²ℓ/∂h² of each sample at its logits H (m, k), by central differences of the loss's own δ.

    Raises ValueError for a loss whose δ jumps: it has no curvature there.
    """
    if math.isinf(loss.curvature):
        raise ValueError(f"loss={loss.name}: its δ jumps; should be a loss with a curvature")
    columns = []
    for j in range(H.shape[1]):
        step = np.zeros(H.shape[1])
        step[j] = STEP
        columns.append((loss.deltas(H + step, y) - loss.deltas(H - step, y)) / (2 * STEP))
    W = np.stack(columns, axis=2)
    return np.asarray((W + W.transpose(0, 2, 1)) / 2)


def quadratic(loss: Loss) -> bool:
    """Whether f is a quadratic function of θ: ℓ curves the same wherever it is looked at."""
    if not loss.target.one_logit or math.isinf(loss.curvature):
        return False
    h = np.linspace(-8.0, 8.0, 33)
    W = np.concatenate([curvatures(loss, h[:, None], np.full(len(h), label))[:, 0, 0] for label in (0.0, 1.0)])
    return bool(np.ptp(W) <= CONSTANT * np.abs(W).max())


def share_of_variance(batch_size: int | None, samples: int, replacement: bool) -> float:
    """c with Cov g_B = c·Σ: 1/B with replacement, (m − B)/(B(m − 1)) without; 0 for None, all samples at once."""
    if batch_size is None:
        return 0.0
    if replacement:
        return 1 / batch_size
    return (samples - batch_size) / (batch_size * max(samples - 1, 1))


def draw(rng: np.random.Generator, samples: int, batch_size: int, replacement: bool) -> NDArray[np.int64]:
    """The numbers of the samples of one batch, each sample as likely as any other."""
    if replacement:
        return rng.integers(0, samples, batch_size)
    return np.asarray(rng.permutation(samples)[:batch_size])
