"""y = h + σt, t Student's t with ν degrees of freedom: a Gaussian with random variance (notes 5.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels import losses
from kernels._jit import inline
from kernels.check import positive
from kernels.elementary import cos_of_turns, exp, minus_log
from kernels.losses import Target
from kernels.noises.base import Array, Noise


@inline
def variate(u, v, p):
    """√(ν(u^(−2/ν) − 1)) cos 2πv (Bailey 1994, doi:10.2307/2153537), with u^(1/ν) as a power of e, which can't overflow."""
    nu, scale = p[0], p[1]
    root = exp(-minus_log(u) / nu)
    return scale * np.sqrt(nu * (1.0 - root * root)) / root * cos_of_turns(v)


@dataclass(frozen=True)
class StudentT(Noise):
    """Student's t with `nu` degrees of freedom and scale `scale`; −log density is the student_t loss itself."""

    nu: float = 3.0
    scale: float = 1.0

    name = "student_t"
    target = Target.REAL
    loss = "student_t"
    variate = variate

    def __post_init__(self) -> None:
        positive(nu=self.nu, scale=self.scale)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.nu, self.scale)

    def sample(self, h: Array, rng: np.random.Generator) -> Array:
        return h + self.scale * rng.standard_t(self.nu, size=np.shape(h))

    def log_density(self, y: Array, h: Array) -> NDArray[np.float64]:
        """log Γ((ν+1)/2) − log Γ(ν/2) − ½ log(πν) − log σ − ½(ν+1) log(1 + t²/ν), t = (y − h)/σ."""
        u = np.abs(np.asarray(y - h, np.float64)) / (self.scale * math.sqrt(self.nu))
        # outside the unit interval 1 + u² = u²(1 + u⁻²), where nothing overflows
        far = np.maximum(u, 1.0)
        tail = np.log1p(np.where(u > 1, 1 / far, u) ** 2) + 2 * np.log(far)
        half = 0.5 * (self.nu + 1)
        constant = math.lgamma(half) - math.lgamma(0.5 * self.nu) - 0.5 * math.log(math.pi * self.nu)
        return np.asarray(constant - math.log(self.scale) - half * tail)

    def matched_loss(self) -> tuple[losses.StudentT, float]:
        return losses.StudentT(self.nu, self.scale), 1.0
