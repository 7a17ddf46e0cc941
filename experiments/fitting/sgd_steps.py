"""SGD counted in steps: θ ← θ − s·g_B, looked at between epochs, so that the step is known at which a loss is reached."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kernels import Objective, stream

Array = NDArray[Any]
Draws = Literal["replacement", "shuffled"]

# The loss is looked at after each step, then so much further on each time; what lies between is gone through once more.
FURTHER = 0.05
# A loss that many times that of the start will not come back.
FAR_OFF = 1e3


class Visits:
    """The samples in their order of visit, step after step: drawn with replacement, or one shuffled epoch after another.

    A batch may reach over the end of an epoch, so that all are of one size. `batch_size` None: all samples in turn, each time.
    """

    def __init__(self, seed: int, samples: int, batch_size: int | None, draws: Draws, name: str) -> None:
        self.samples, self.batch_size, self.draws = samples, batch_size, draws
        self._rng = stream(seed, "visits", draws, str(batch_size), name)
        self._left = np.empty(0, np.int64)

    def next(self, steps: int) -> NDArray[np.int64]:
        """The visits of the next so many steps."""
        if self.batch_size is None:
            return np.tile(np.arange(self.samples), steps)
        wanted = steps * self.batch_size
        if self.draws == "replacement":
            return self._rng.integers(0, self.samples, wanted)
        parts, there = [self._left], len(self._left)
        while there < wanted:
            parts.append(self._rng.permutation(self.samples))
            there += self.samples
        visits = np.concatenate(parts)
        self._left = visits[wanted:]
        return visits[:wanted]


@dataclass(frozen=True)
class Reached:
    """How many steps it took (NaN: more than there were), and whether θ ran away."""

    steps: float
    diverged: bool


def steps_to_level(
    f: Objective,
    X: Array,
    y: Array,
    theta: Array,
    value: Callable[[Array], float],
    level: float,
    visits: Visits,
    step_size: float,
    most: int,
) -> Reached:
    """The first step at which `value(θ)`, looked at ever more rarely and then in between, is at most `level`.

    θ starts as given and is not changed. Between two looks the loss may have been there and gone again: it is found to a
    twentieth, or so, and then to the step.
    """
    batch = visits.batch_size or visits.samples
    start, here, done = value(theta), theta.copy(), 0
    if start <= level:
        return Reached(0.0, False)

    def advanced(theta: Array, order: NDArray[np.int64]) -> Array:
        moved = theta.copy()
        with np.errstate(all="ignore"):
            f.sgd_epoch(X, y, moved, batch, step_size, order)
        return moved

    while done < most:
        until = min(most, max(done + 1, math.ceil((1 + FURTHER) * done)))
        order = visits.next(until - done)
        there = advanced(here, order)
        reached = value(there) if np.isfinite(there).all() else math.inf
        if not reached <= FAR_OFF * start:
            return Reached(math.nan, True)
        if reached <= level:
            break
        here, done = there, until
    else:
        return Reached(math.nan, False)
    while until - done > 1:  # above the level at `done`, not above it at `until`
        half = (until - done) // 2
        there = advanced(here, order[: half * batch])
        if value(there) <= level:
            until = done + half
        else:
            here, done, order = there, done + half, order[half * batch :]
    return Reached(float(until), False)
