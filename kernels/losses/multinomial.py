"""ℓ(h, c) = −Σⱼ cⱼ log softmax(h)ⱼ for counts c, −log of the multinomial probability without its coefficient (notes 6.3).

δⱼ = N zⱼ − cⱼ with N = Σ c, written (N − cⱼ) zⱼ − cⱼ (1 − zⱼ): with one trial it is softmax's δ.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernels._jit import inline
from kernels.check import positive
from kernels.elementary import log1p
from kernels.losses.base import Loss
from kernels.losses.softmax import exponentials, largest
from kernels.targets import Target


@inline
def block(H, count, y, v, p, spare):
    peak, rest, trials = spare[0], spare[1], spare[2]
    k = H.shape[0]
    largest(H, count, peak)
    for r in range(count):
        v[r] = 0
    for j in range(k):
        for r in range(count):
            if y[r, j] > 0:  # 0 · ∞ is no loss at all
                v[r] += y[r, j] * (peak[r] - H[j, r])
    exponentials(H, count, peak, rest, trials)
    for r in range(count):
        trials[r] = 0
    for j in range(k):
        for r in range(count):
            trials[r] += y[r, j]
    share = peak
    for r in range(count):
        one = type(rest[r])(1)
        v[r] += trials[r] * log1p(rest[r])
        share[r] = one / (one + rest[r])
    for j in range(k):
        for r in range(count):
            one = type(rest[r])(1)
            z = H[j, r] * share[r]
            others = rest[r] * share[r] if H[j, r] == one else one - z  # 1 − z; only the largest z can be near 1
            H[j, r] = (trials[r] - y[r, j]) * z - y[r, j] * others


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
