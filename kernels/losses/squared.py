"""ℓ(h, y) = ½(h − y)², −log of the Gaussian density with variance 1, up to a constant (notes 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

from kernels._jit import inline
from kernels.losses.base import Loss, elementwise
from kernels.targets import Target


@inline
def value(h, y, p):
    real = type(h)
    residual = h - y
    return real(0.5) * residual * residual


@inline
def delta(h, y, p):
    return h - y


block = elementwise(value, delta)


@dataclass(frozen=True)
class Squared(Loss):
    """ℓ = ½(h − y)², δ = h − y; the best constant is the mean."""

    name = "squared"
    target = Target.REAL
    block = block

    @property
    def curvature(self) -> float:
        return 1.0
