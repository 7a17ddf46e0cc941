"""Are fitted probabilities what they say? Slope and intercept, reliability in bins, and the Brier score's parts.

P̂ (m, c) are fitted probabilities with logits H (m, c); Q (m, c) is what there is to hold them to: one-hot labels, or
the truth's probabilities, which are labels without their noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MOST = 100  # steps of Newton's method
SMALL, SHORTEST, ROUNDING = 1e-8, 2.0**-12, 1e-13


def recalibrated(
    H: Array, Q: Array, intercepts: bool = False, weights: Array | None = None
) -> tuple[float, Array, float]:
    """(b, a, standard error of b): the slope b and the intercepts a that make softmax(a + b·H) fit Q best; a₀ = 0.

    b = 1, a = 0 if the fitted probabilities are calibrated; b < 1 if they are too sure. 1/b is the temperature of temperature
    scaling. The standard error is that of one-hot labels, NaN where there is no minimum. Sources: Cox, 1958,
    doi:10.1093/biomet/45.3-4.562; Guo et al., 2017, arXiv:1706.04599.
    """
    free = H.shape[1] - 1 if intercepts else 0
    w = np.ones(len(H)) if weights is None else weights
    H, Q = np.ascontiguousarray(H.T), np.ascontiguousarray(Q.T)  # sums over the few classes go down the columns
    wanted = np.append(Q[1 : 1 + free] @ w, np.sum(Q * H, axis=0) @ w)

    def at(beta: Array) -> tuple[float, Array]:
        """Σ w cross-entropy, and the probabilities (c, m)."""
        shifted = beta[-1] * H
        if free:
            shifted[1:] += beta[:-1, None]
        peak = shifted.max(axis=0)
        Z = np.exp(shifted - peak)
        total = Z.sum(axis=0)
        return float(w @ (peak + np.log(total)) - beta @ wanted), Z / total

    beta = np.zeros(free + 1)
    value, Z = at(beta)
    for _ in range(MOST):
        grad = np.append(Z[1 : 1 + free] @ w, np.sum(Z * H, axis=0) @ w) - wanted
        information = _information(H, Z, w, free)
        move, *_ = np.linalg.lstsq(information, grad)
        length = 1.0
        while not (there := at(beta - length * move))[0] <= value + ROUNDING * abs(value) and length >= SHORTEST:
            length /= 2
        beta, (value, Z) = beta - length * move, there
        if np.abs(move).max() <= SMALL * max(1.0, float(np.abs(beta).max())):  # the next step would be of its square
            break
    else:
        return float(beta[-1]), np.append(0.0, beta[:-1]), float("nan")
    return float(beta[-1]), np.append(0.0, beta[:-1]), float(np.sqrt(np.linalg.pinv(information)[-1, -1]))


def _information(H: Array, Z: Array, w: Array, free: int) -> Array:
    """Σᵢ wᵢ Dᵢᵀ (diag zᵢ − zᵢzᵢᵀ) Dᵢ for the intercepts of classes 1 … and, last, the slope; H and Z (c, m)."""
    inner = w * Z[1 : 1 + free]
    along = w * Z * (H - np.sum(Z * H, axis=0))
    full = np.empty((free + 1, free + 1))
    full[:free, :free] = np.diag(inner.sum(axis=1)) - inner @ Z[1 : 1 + free].T
    full[:free, free] = full[free, :free] = along[1 : 1 + free].sum(axis=1)
    full[free, free] = np.sum(along * H)
    return full


def slope_information(H: Array, Z: Array, weights: Array) -> float:
    """E[Σⱼ zⱼ (hⱼ − h̄)²]: what one label says about the slope, h̄ = Σ z h; H (q, c) and Z (q, c) at weighted nodes."""
    centred = H - np.sum(Z * H, axis=1, keepdims=True)
    return float(weights @ np.sum(Z * centred * centred, axis=1))


@dataclass(frozen=True)
class Bins:
    """Of each of the bins of equal width in [0, 1] that is not empty: how many, the sum of fitted probabilities, and of Q."""

    index: NDArray[np.int64]
    counts: Array
    fitted: Array
    observed: Array

    @property
    def total(self) -> float:
        return float(self.counts.sum())

    def gap(self) -> float:
        """Expected calibration error: Σ nᵦ/m · |mean Q − mean P̂| over the bins. Naeini et al., 2015 (AAAI)."""
        return float(np.abs(self.observed - self.fitted).sum() / self.total)


def binned(fitted: Array, observed: Array, bins: int) -> Bins:
    """Fitted probabilities (m,) and what came of them (m,), in `bins` bins of equal width."""
    place = np.minimum((fitted * bins).astype(np.int64), bins - 1)
    counts, p, y = (np.bincount(place, weights, minlength=bins) for weights in (None, fitted, observed))
    there = counts > 0
    return Bins(np.flatnonzero(there), *(np.asarray(each[there], np.float64) for each in (counts, p, y)))


def gap_if_calibrated(fitted: Array, bins: int, draws: int, rng: np.random.Generator) -> Array:
    """`Bins.gap` (draws,) of outcomes drawn from the fitted probabilities themselves: what chance alone makes of it.

    It is not 0: few outcomes in a bin never come out at their mean. Source: consistency resampling, Bröcker and Smith, 2007,
    doi:10.1175/WAF993.1.
    """
    return np.array(
        [binned(fitted, (rng.random(len(fitted)) < fitted).astype(float), bins).gap() for _ in range(draws)]
    )


@dataclass(frozen=True)
class Brier:
    """Mean (p − y)² = reliability − resolution + uncertainty + within: Murphy's parts, and what binning leaves over.

    `within`: p varies inside a bin, and may or may not follow y there. Sources: Murphy, 1973,
    doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2; what is left over: Stephenson et al., 2008, doi:10.1175/2007WAF2006116.1.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float


def brier(fitted: Array, observed: Array, bins: int) -> Brier:
    """The Brier score of probabilities (m,) of an event, outcomes (m,) 0 or 1, and its parts in bins of equal width."""
    found = binned(fitted, observed, bins)
    share, base = found.counts / found.total, float(np.mean(observed))
    p, y = found.fitted / found.counts, found.observed / found.counts
    score = float(np.mean((fitted - observed) ** 2))
    reliability, resolution = float(share @ (p - y) ** 2), float(share @ (y - base) ** 2)
    uncertainty = base * (1 - base)
    return Brier(score, reliability, resolution, uncertainty, score - (reliability - resolution + uncertainty))
