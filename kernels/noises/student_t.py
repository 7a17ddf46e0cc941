"""y = h + σt, t Student's t with ν degrees of freedom: a Gaussian with random variance (notes 5.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels import losses
from kernels.losses import Target
from kernels.losses.base import positive
from kernels.noises.base import Array, Noise


@dataclass(frozen=True)
class StudentT(Noise):
    """Student's t with `nu` degrees of freedom and scale `scale`; −log density is the student_t loss itself."""

    nu: float = 3.0
    scale: float = 1.0

    name = "student_t"
    target = Target.REAL
    loss = "student_t"

    def __post_init__(self) -> None:
        positive(nu=self.nu, scale=self.scale)

    def sample(self, h: Array, rng: np.random.Generator) -> Array:
        return h + self.scale * rng.standard_t(self.nu, size=np.shape(h))

    def log_density(self, y: Array, h: Array) -> NDArray[np.float64]:
        _, log_width, exponent, constant = losses.StudentT(self.nu, self.scale).parameters
        r = np.abs(np.asarray(y - h, np.float64))
        with np.errstate(divide="ignore"):  # log 0 = −∞ is the right limit where y = h
            return -constant - exponent * np.logaddexp(0.0, 2 * (np.log(r) - log_width))

    def matched_loss(self) -> tuple[losses.StudentT, float]:
        return losses.StudentT(self.nu, self.scale), 1.0
