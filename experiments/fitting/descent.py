"""θ ← θ − s·∇f(θ), on all samples or on batches, by the kernels: many iterations in one call, since an order may repeat samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels import Objective
from kernels.losses import Loss

Array = NDArray[np.float64]

# A call of the kernels is given so many samples at most: an order of 4 MB.
MOST_VISITS = 1 << 19


class Descent:
    """Descent with one step size from θ (n, k), which is copied; `batch_size` samples an iteration, None: all of them.

    Batches are drawn with replacement from `rng`: each iteration's gradient is then independent of those before, and its mean is
    ∇f, which is what theory takes SGD to be. (Epochs in shuffled order, as `experiment=train` has them, come nearer in the end.)
    """

    def __init__(
        self,
        loss: Loss,
        X: Array,
        y: NDArray[Any],
        theta: Array,
        step: float,
        batch_size: int | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.f, self.X, self.y, self.theta, self.step = Objective(loss), X, y, theta.copy(), step
        self.batch_size, self.rng = batch_size, rng
        self._everyone = np.arange(len(X))

    def advance(self, iterations: int) -> None:
        """So many iterations on. θ may end up infinite or NaN."""
        at_once = max(1, MOST_VISITS // (self.batch_size or len(self.X)))
        with np.errstate(all="ignore"):
            for done in range(0, iterations, at_once):
                if not self.is_finite:
                    return
                self._call(min(at_once, iterations - done))

    def _call(self, iterations: int) -> None:
        batch = self.batch_size or len(self.X)
        order = (
            np.tile(self._everyone, iterations)
            if self.batch_size is None or self.rng is None
            else self.rng.integers(len(self.X), size=iterations * batch)
        )
        self.f.sgd_epoch(self.X, self.y, self.theta, batch, self.step, order)

    @property
    def is_finite(self) -> bool:
        """Whether θ is a number everywhere."""
        return bool(np.isfinite(self.theta).all())

    def look(self) -> tuple[float, float]:
        """f(θ) and ‖∇f(θ)‖ over all samples; both infinite where θ is."""
        if not self.is_finite:
            return np.inf, np.inf
        value, grad = self.f.value_and_grad(self.X, self.y, self.theta)
        return (value, float(np.linalg.norm(grad))) if np.isfinite(value) else (np.inf, np.inf)
