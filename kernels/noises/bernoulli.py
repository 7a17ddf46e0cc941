"""y in {0, 1} with P(y = 1 | h) = σ(h) = 1/(1 + e⁻ʰ) (notes 6.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels.losses import Logistic, Target
from kernels.noises.base import Array, Noise


@dataclass(frozen=True)
class Bernoulli(Noise):
    """A coin with logit h; −log probability is the logistic loss."""

    name = "bernoulli"
    target = Target.BINARY
    loss = "logistic"

    def sample(self, h: Array, rng: np.random.Generator) -> Array:
        # y = 1 where a standard logistic variate stays below h: exact for any h, and no σ(h) to overflow
        return (rng.logistic(size=np.shape(h)) < h).astype(np.float64)

    def log_density(self, y: Array, h: Array) -> NDArray[np.float64]:
        return np.asarray(-np.logaddexp(0.0, np.where(np.asarray(y) > 0, -1.0, 1.0) * np.asarray(h, np.float64)))

    def matched_loss(self) -> tuple[Logistic, float]:
        return Logistic(), 1.0
