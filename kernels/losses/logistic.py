"""ℓ(h, y) = log(1 + eʰ) − yh for y in {0, 1}, −log of the Bernoulli probability with logit h (notes 6.1).

With t = 1 for y = 0 and t = −1 for y = 1: ℓ = log(1 + e^(th)) and δ = tσ(th). Only e^(−|h|) is ever taken, which can't overflow.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernels._jit import inline
from kernels.elementary import exp, log1p_of_fraction
from kernels.losses.base import Loss, elementwise
from kernels.targets import Target


@inline
def value(h, y, p):
    real = type(h)
    sign = real(1) - real(2) * y
    return max(sign * h, real(0)) + log1p_of_fraction(exp(-abs(h)))


@inline
def delta(h, y, p):
    real = type(h)
    sign = real(1) - real(2) * y
    small = exp(-abs(h))
    top = real(1) if sign * h >= 0 else small
    return sign * top / (real(1) + small)


block = elementwise(value, delta)


@dataclass(frozen=True)
class Logistic(Loss):
    """ℓ = log(1 + eʰ) − yh, δ = σ(h) − y: binary cross-entropy on the logit h."""

    name = "logistic"
    target = Target.BINARY
    block = block

    @property
    def curvature(self) -> float:
        return 0.25
