"""Counts c of N trials: P(c | h) = N!/Πcⱼ! · Π softmax(h)ⱼ^cⱼ (notes 6.3)."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import NDArray

from kernels import losses
from kernels.losses import Target
from kernels.noises.base import Array, Noise, lgamma, log_softmax


@dataclass(frozen=True)
class Multinomial(Noise):
    """`trials` throws of a k-sided die with logits h (m, k); −log probability is the multinomial loss, but for log N!/Πc!."""

    trials: int = 10

    name = "multinomial"
    target = Target.COUNTS
    loss = "multinomial"

    def __post_init__(self) -> None:
        if not isinstance(self.trials, Integral) or self.trials < 1:
            raise ValueError(f"trials: {self.trials!r}; should be a whole number of at least 1")

    def sample(self, h: Array, rng: np.random.Generator) -> Array:
        return rng.multinomial(self.trials, np.exp(log_softmax(h))).astype(np.float64)

    def log_density(self, y: Array, h: Array) -> NDArray[np.float64]:
        counts = np.asarray(y, np.float64)
        coefficient = lgamma(np.sum(counts, axis=-1) + 1) - np.sum(lgamma(counts + 1), axis=-1)
        # 0 · log 0 = 0: a class that was never drawn says nothing
        likelihood = np.where(counts > 0, counts * log_softmax(h), 0.0)
        return np.asarray(coefficient + np.sum(likelihood, axis=-1))

    def matched_loss(self) -> tuple[losses.Multinomial, float]:
        return losses.Multinomial(trials=self.trials), 1.0
