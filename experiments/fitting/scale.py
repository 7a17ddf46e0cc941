"""σ̂, the scale of residuals r = Xθ − y, estimated beside θ: f is then the mean of ℓ(Xθ/σ̂, y/σ̂).

`none`: σ = 1, the loss's own units. `mad`: median |r| / Φ⁻¹(¾), as MASS::rlm and statsmodels' RLM have it by default. `proposal2`:
Σψ²(r/σ) = (m − n)·E ψ²(Z), Z standard normal (Huber 1964, doi:10.1214/aoms/1177703732, proposal 2). `likelihood`: Σ ψ(r/σ)·r/σ = m,
where mean ℓ(r/σ) + log σ is least, as it is for a loss that is −log of a density. Each is what one step, taken again and again, no
longer changes; squared and absolute loss need none: ℓ(cr) = cᵖℓ(r), and θ̂ is the same for every σ.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from experiments.theory.asymptotics import expectation
from kernels.losses import Loss, Target
from kernels.noises import Gaussian

Array = NDArray[np.float64]
Scale = Literal["none", "mad", "proposal2", "likelihood"]

QUARTILE = float(stats.norm.ppf(0.75))
# Residuals at which a loss's shape is read off: seven decades, both signs.
PROBES = np.concatenate([-np.geomspace(1e-3, 1e4, 71)[::-1], np.geomspace(1e-3, 1e4, 71)])


def score(loss: Loss, r: Array) -> Array:
    """ψ(r) = δ(h, y) at h − y = r, for residuals of any shape: losses of real numbers depend on h − y alone."""
    flat = np.ascontiguousarray(r).ravel()
    return loss.deltas(flat, np.zeros_like(flat)).reshape(r.shape)


def is_homogeneous(loss: Loss) -> bool:
    """Whether ℓ(cr) = cᵖℓ(r), on either side of 0: θ̂ then does not depend on the scale."""
    ratio = score(loss, 2 * PROBES) / score(loss, PROBES)
    return bool(np.ptp(ratio) <= 1e-9 * abs(ratio[0]))


def is_monotone(loss: Loss) -> bool:
    """Whether ψ never turns back, and the loss is convex: one minimum, wherever one starts."""
    return bool((np.diff(score(loss, PROBES)) >= 0).all())


@lru_cache(maxsize=64)
def consistency(loss: Loss) -> float:
    """E ψ²(Z) for Z standard normal: what proposal 2 equates the residuals' mean to."""
    return expectation(Gaussian(), lambda z: score(loss, z) ** 2)


def check(kind: Scale, loss: Loss) -> None:
    """Raise ValueError where the loss has no use for such a scale, or none can be found for it."""
    if loss.target is not Target.REAL:
        raise ValueError(f"loss={loss.name} takes {loss.target.value}; a scale takes a loss of {Target.REAL.value}")
    if kind != "none" and is_homogeneous(loss):
        raise ValueError(f"scale={kind}: loss={loss.name} has the same θ̂ for every scale; should be none")
    if kind == "proposal2" and not is_monotone(loss):
        raise ValueError(
            f"scale=proposal2: ψ of loss={loss.name} turns back, so that Σψ² = (m − n)·β may have two roots or none;"
            " should be mad or likelihood"
        )


def step(kind: Scale, loss: Loss, r: Array, sigma: Array, features: int) -> Array:
    """The next σ (F,) from residuals r (F, m), all in the same units: that of the definition, or one step towards its root.

    The steps for proposal 2 and for the likelihood are σ² ← σ²·(left side / right side): Huber's own, and EM's for Student's t.
    """
    if kind == "none":
        return np.ones(len(r))
    if kind == "mad":
        return np.asarray(np.median(np.abs(r), axis=1) / QUARTILE)
    u = r / sigma[:, None]
    psi = score(loss, u)
    samples = r.shape[1]
    if kind == "proposal2":
        return np.asarray(sigma * np.sqrt((psi**2).sum(axis=1) / ((samples - features) * consistency(loss))))
    return np.asarray(sigma * np.sqrt((psi * u).mean(axis=1)))


def tail_exponent(loss: Loss) -> float:
    """a of |ψ(r)| ~ |r|ᵃ far out: 1 for squared loss, 0 where ψ is bounded and stays so, −1 where Student's t turns back."""
    near, far = score(loss, PROBES[-1] * np.array([0.1, 1.0]))
    return float(np.log10(far / near))
