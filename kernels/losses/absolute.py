"""ℓ(h, y) = |h − y|, −log of the Laplace density with scale 1, up to a constant (notes 4)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kernels._jit import inline
from kernels.losses.base import Loss, elementwise
from kernels.targets import Target


@inline
def value(h, y, p):
    return abs(h - y)


@inline
def delta(h, y, p):
    real = type(h)
    residual = h - y
    if residual > 0:
        return real(1)
    if residual < 0:
        return real(-1)
    return residual  # 0 at the kink, the subgradient of least norm; NaN stays NaN


block = elementwise(value, delta)


@dataclass(frozen=True)
class Absolute(Loss):
    """ℓ = |h − y|, δ = sign(h − y); the best constant is the median."""

    name = "absolute"
    target = Target.REAL
    block = block

    @property
    def curvature(self) -> float:
        return math.inf
