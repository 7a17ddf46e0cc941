"""y in {0 … k−1} with P(y = j | h) = softmax(h)ⱼ (notes 6.2, 7.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels.losses import Softmax, Target
from kernels.noises.base import Array, Noise, log_softmax


@dataclass(frozen=True)
class Categorical(Noise):
    """A k-sided die with logits h (m, k); −log probability is the softmax loss."""

    name = "categorical"
    target = Target.CLASS
    loss = "softmax"

    def sample(self, h: Array, rng: np.random.Generator) -> Array:
        # the Gumbel-max trick: argmax(h + Gumbel) is softmax(h) distributed
        return np.asarray(np.argmax(h + rng.gumbel(size=np.shape(h)), axis=-1))

    def log_density(self, y: Array, h: Array) -> NDArray[np.float64]:
        return np.take_along_axis(log_softmax(h), np.asarray(y)[..., None], axis=-1)[..., 0]

    def matched_loss(self) -> tuple[Softmax, float]:
        return Softmax(), 1.0
