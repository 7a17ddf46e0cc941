"""How many replicates a variance takes, and what so many can't show of it: where estimates have heavy tails.

The mean of n numbers under Student's t with ν ≤ 4 has a variance, and no fourth moment. The variance of R such means is carried by
few of them, and what would carry the rest has not come up: it is too small as often as not, and no interval from the spread
of what has come up says so. How much is missing follows from the noise's tail.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from experiments.theory.asymptotics import Array, density, mesh, nodes, psi, target, variance
from kernels.losses import Loss
from kernels.noises import Noise

MOST_TIMES = 20  # as many replicates; what would take more has no variance, or next to none
BY_CHANCE = 0.1  # draws that come up with that chance are planned for: one of them widens an interval a good deal
PLANNING = 30  # rounds of an iteration that settles after a dozen


def replicates_for(loss: Loss, noise: Noise, samples: int, replicates: int) -> int:
    """How many replicates make the variance of Tₙ as sure as so many do where Tₙ is normal.

    The relative variance of a variance from R replicates is (κ − 1)/R, with κ = 3 for a normal Tₙ, else about 3 + (κ_ψ − 3)/n,
    where κ_ψ is the kurtosis of one δ. Where it is infinite, what R replicates can show of it counts: that of the draws
    which may come up among all n·R. Twenty times as many at most.
    """
    if not math.isfinite(variance(loss, noise)):
        return replicates
    chances, pulls, beyond = _outwards(loss, noise)
    wanted = float(replicates)
    for _ in range(PLANNING):
        seen = beyond * samples * wanted >= BY_CHANCE
        second, fourth = (float(chances[seen] @ pulls[seen] ** power) for power in (2, 4))
        wanted = replicates * min(max(1.0, 1 + (fourth / second**2 - 3) / (2 * samples)), MOST_TIMES)
    return math.ceil(wanted)


def unseen_share(loss: Loss, noise: Noise, samples: int, replicates: int) -> float:
    """The share of E[ψ²], and so of Var Tₙ, that draws make which come up less than once among all n·R; 0 for a bounded ψ."""
    chances, pulls, beyond = _outwards(loss, noise)
    parts = chances * pulls**2
    return float(parts[beyond * samples * replicates < 1].sum() / parts.sum())


@lru_cache(maxsize=64)
def _outwards(loss: Loss, noise: Noise) -> tuple[Array, Array, Array]:
    """From the centre outwards: the chances of pieces of the line, ψ there, and the chance of all from there on."""
    x, weights = nodes(mesh(lambda x: density(noise, x), lambda x: psi(loss, x) ** 2 * density(noise, x)))
    order = np.argsort(np.abs(x))
    x, chances = x[order], (density(noise, x) * weights)[order]
    return chances, psi(loss, x, target(loss, noise)), np.cumsum(chances[::-1])[::-1]
