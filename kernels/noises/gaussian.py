"""y = h + σε, ε standard normal: p(y | h) = exp(−r²/2σ²) / (σ√2π), r = y − h (notes 3.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels._jit import inline
from kernels.check import positive
from kernels.losses import Squared, Target
from kernels.noises.base import Array, Noise


@inline
def of_normal(z, p):
    return p[0] * z


@dataclass(frozen=True)
class Gaussian(Noise):
    """Normal with standard deviation `scale`; −log density is squared loss / scale²."""

    scale: float = 1.0

    name = "gaussian"
    target = Target.REAL
    loss = "squared"
    of_normal = of_normal

    def __post_init__(self) -> None:
        positive(scale=self.scale)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.scale,)

    def sample(self, h: Array, rng: np.random.Generator) -> Array:
        return h + self.scale * rng.standard_normal(np.shape(h))

    def log_density(self, y: Array, h: Array) -> NDArray[np.float64]:
        u = np.asarray((y - h) / self.scale, np.float64)
        return -0.5 * u * u - math.log(self.scale * math.sqrt(2 * math.pi))

    def matched_loss(self) -> tuple[Squared, float]:
        return Squared(), 1 / self.scale**2
