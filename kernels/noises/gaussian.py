"""y = h + σε, ε standard normal: p(y | h) = exp(−r²/2σ²) / (σ√2π), r = y − h (notes 3.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels._jit import inline
from kernels.check import positive
from kernels.elementary import cos_of_turns, minus_log, sin_of_turns
from kernels.losses import Squared, Target
from kernels.noises.base import Array, Noise


@inline
def standard(u, v):
    """√(−2 log u) cos 2πv (Box and Muller 1958, doi:10.1214/aoms/1177706645)."""
    return np.sqrt(2.0 * minus_log(u)) * cos_of_turns(v)


@inline
def variate(u, v, p):
    return p[0] * standard(u, v)


@inline
def twin(u, v, p):
    """The same with the sine: the other coordinate of a point in the plane."""
    return p[0] * np.sqrt(2.0 * minus_log(u)) * sin_of_turns(v)


@dataclass(frozen=True)
class Gaussian(Noise):
    """Normal with standard deviation `scale`; −log density is squared loss / scale²."""

    scale: float = 1.0

    name = "gaussian"
    target = Target.REAL
    loss = "squared"
    variate = variate
    twin = twin

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
