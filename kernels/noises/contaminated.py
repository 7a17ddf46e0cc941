"""y = h + ε, ε normal, but for a share of outliers from a wider normal (Tukey 1960)."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from kernels._jit import inline
from kernels.check import positive
from kernels.elementary import cos_of_turns, minus_log
from kernels.losses import Target
from kernels.noises.base import Array, Noise
from kernels.noises.gaussian import Gaussian


@inline
def variate(u, v, p):
    """√(−2 log u) cos 2πv (Box and Muller 1958, doi:10.1214/aoms/1177706645), wide where v is below the share.

    What v is of its own part is uniform again.
    """
    share, wide, core = p[0], p[1], p[2]
    outlying = v < share
    turn = v / share if outlying else (v - share) / (1.0 - share)
    return (wide if outlying else core) * np.sqrt(2.0 * minus_log(u)) * cos_of_turns(turn)


@dataclass(frozen=True)
class Contaminated(Noise):
    """(1 − share)·N(0, scale²) + share·N(0, (outlier·scale)²).

    No loss here is −log of this mixture. Huber's is the minimax choice over such neighbourhoods of the normal, not its −log.
    """

    share: float = 0.1
    outlier: float = 3.0
    scale: float = 1.0

    name = "contaminated"
    target = Target.REAL
    loss = None
    variate = variate

    def __post_init__(self) -> None:
        positive(scale=self.scale, outlier=self.outlier)
        if not (isinstance(self.share, Real) and 0 < self.share < 1):
            raise ValueError(f"share: {self.share!r}; should be between 0 and 1")

    @property
    def parameters(self) -> tuple[float, ...]:
        return (self.share, self.outlier * self.scale, self.scale)

    def sample(self, h: Array, rng: np.random.Generator) -> Array:
        outlying = rng.random(np.shape(h)) < self.share
        spread = np.where(outlying, self.outlier * self.scale, self.scale)
        return h + spread * rng.standard_normal(np.shape(h))

    def log_density(self, y: Array, h: Array) -> NDArray[np.float64]:
        core = Gaussian(self.scale).log_density(y, h) + np.log1p(-self.share)
        wide = Gaussian(self.outlier * self.scale).log_density(y, h) + np.log(self.share)
        return np.asarray(np.logaddexp(core, wide))

    def matched_loss(self) -> None:
        return None
