"""ℓ(h, c) = −Σⱼ cⱼ log softmax(h)ⱼ for counts c, −log of the multinomial probability without its coefficient (notes 6.3).

δⱼ = N zⱼ − cⱼ with N = Σ c, written (N − cⱼ) zⱼ − cⱼ (1 − zⱼ): with one trial it is softmax's δ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernels._jit import inline
from kernels.losses.base import Loss, positive
from kernels.losses.softmax import exponentials, largest
from kernels.targets import Target


@inline
def block(H, y, v, p):
    for r in range(H.shape[1]):
        top = largest(H, r)
        peak = H[top, r]
        trials = peak - peak
        spread = peak - peak  # Σ c (peak − h)
        for j in range(H.shape[0]):
            if y[r, j] > 0:  # 0 · ∞ is no loss at all
                trials += y[r, j]
                spread += y[r, j] * (peak - H[j, r])
        rest = exponentials(H, r, top, peak)
        total = type(peak)(1) + rest
        v[r] = spread + trials * np.log1p(rest)
        for j in range(H.shape[0]):
            z = H[j, r] / total
            others = rest / total if j == top else type(peak)(1) - z  # 1 − z; only the largest z can be near 1
            H[j, r] = (trials - y[r, j]) * z - y[r, j] * others


@dataclass(frozen=True)
class Multinomial(Loss):
    """ℓ = −Σ c·log softmax(h) for counts c of `trials` draws at most (the bound sets the curvature, nothing else)."""

    trials: float = 1.0

    name = "multinomial"
    target = Target.COUNTS
    block = block

    def __post_init__(self) -> None:
        positive(trials=self.trials)

    @property
    def curvature(self) -> float:
        return 0.5 * self.trials
