"""y = h + ε, ε Laplace: p(y | h) = exp(−|r|/b) / 2b, r = y − h (notes 4)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels._jit import inline
from kernels.check import positive
from kernels.elementary import minus_log
from kernels.losses import Absolute, Target
from kernels.noises.base import Array, Noise

# Beyond u = 1 − 2⁻⁵² there is no number left to be drawn from: u = 1 stands for the half of what is there.
LEAST = 2.0**-53


@inline
def variate(u, v, p):
    """−log of the share of the line that is further out, of either sign: F⁻¹(u)."""
    further = min(2.0 * u, 2.0 - 2.0 * u)
    size = p[0] * minus_log(further if further > 0.0 else LEAST)
    return size if u < 0.5 else -size


@inline
def twin(u, v, p):
    """The same of v."""
    return variate(1.0 - v, u, p)


@dataclass(frozen=True)
class Laplace(Noise):
    """Laplace with scale b = `scale` (variance 2b²); −log density is absolute loss / scale."""

    scale: float = 1.0

    name = "laplace"
    target = Target.REAL
    loss = "absolute"
    variate = variate
    twin = twin

    def __post_init__(self) -> None:
        positive(scale=self.scale)

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.scale,)

    def sample(self, h: Array, rng: np.random.Generator) -> Array:
        return h + rng.laplace(scale=self.scale, size=np.shape(h))

    def log_density(self, y: Array, h: Array) -> NDArray[np.float64]:
        return -np.abs(np.asarray(y - h, np.float64)) / self.scale - math.log(2 * self.scale)

    def matched_loss(self) -> tuple[Absolute, float]:
        return Absolute(), 1 / self.scale
