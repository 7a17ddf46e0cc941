"""ℓ(h, y) = −log of Student's t density with ν degrees of freedom at r = h − y, constants included (notes 5.2).

    ℓ = logΓ(ν/2) − logΓ((ν+1)/2) + ½ log(πν) + log σ + ½(ν+1) log(1 + u²),     u = r / (σ√ν)
    δ = (ν+1)/(σ√ν) · u / (1 + u²)

Squares overflow long before u does. With w = u inside the unit interval and 1/u outside, both stay exact:
log(1 + u²) = log(1 + w²) + 2 log|u| outside, and u/(1 + u²) = w/(1 + w²) on either side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kernels._jit import inline
from kernels.check import positive
from kernels.elementary import log1p
from kernels.losses.base import Loss, elementwise
from kernels.targets import Target


@inline
def value(h, y, p):
    real = type(h)
    width, log_width, exponent, constant = real(p[0]), real(p[1]), real(p[2]), real(p[3])
    residual = abs(h - y)
    u = residual / width
    if u <= 1:
        return constant + exponent * log1p(u * u)
    w = width / residual
    return constant + exponent * (log1p(w * w) + real(2) * (np.log(residual) - log_width))


@inline
def delta(h, y, p):
    real = type(h)
    width, exponent = real(p[0]), real(p[2])
    residual = h - y
    w = residual / width
    if abs(w) > 1:
        w = width / residual
    return real(2) * exponent / width * (w / (real(1) + w * w))


block = elementwise(value, delta)

# From here on the series below is good to the last digit, where the logarithms of two large Γ would cancel.
MANY = 32.0
STEP_SERIES = (-1 / 8, 1 / 192, -1 / 640, 17 / 14336)


def log_gamma_step(x: float) -> float:
    """log Γ(x + ½) − log Γ(x); of a large x ½ log x − 1/(8x) + 1/(192x³) − 1/(640x⁵) + 17/(14336x⁷) (from NIST DLMF 5.11.8)."""
    if x < MANY:
        return math.lgamma(x + 0.5) - math.lgamma(x)
    return 0.5 * math.log(x) + sum(c * x ** -(2 * i + 1) for i, c in enumerate(STEP_SERIES))


@dataclass(frozen=True)
class StudentT(Loss):
    """ℓ = −log density of Student's t with `nu` degrees of freedom and scale `scale` at r = h − y."""

    nu: float = 3.0
    scale: float = 1.0

    name = "student_t"
    target = Target.REAL
    block = block

    def __post_init__(self) -> None:
        positive(nu=self.nu, scale=self.scale)

    @property
    def parameters(self) -> tuple[float, ...]:
        width = self.scale * math.sqrt(self.nu)
        exponent = 0.5 * (self.nu + 1)
        constant = 0.5 * math.log(math.pi) + math.log(width) - log_gamma_step(0.5 * self.nu)
        return width, math.log(width), exponent, constant

    @property
    def curvature(self) -> float:
        """(ν+1)/(νσ²), reached at r = 0; further out ℓ is concave and curves down by an eighth of that at most."""
        return (self.nu + 1) / (self.nu * self.scale**2)
