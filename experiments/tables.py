"""Real tables to the optimum: against what is published, against other libraries, and how far SGD gets (notes 5, 3rd element)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from experiments.claims import tables as claims_tables
from experiments.data import Data
from experiments.fitting import many, referees, scale
from experiments.fitting.optimum import Optimum, minimise, orthogonal
from experiments.fitting.scale import Scale
from experiments.train import fits
from harness.contract import DIVERGED, WHOLE_RUN, Count, Curve, Experiment, Figure, Positive, Row, Seed
from kernels import Objective, stream
from kernels.losses import Absolute, Loss, Target

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Tables(Experiment):
    """θ̂ = argmin mean ℓ(Xθ/σ̂, y/σ̂) of a table with a real response, σ̂ as `scale` says (`experiments.fitting.scale`).

    `train/theta_0`, …: θ̂, in the order of the columns, the intercept last. `train/residual`: |r| of the samples, from the
    smallest on, in units of its median. `train/LIBRARY_gap`: (f(θ) − f(θ̂))/f(θ̂) of the θ that statsmodels, scikit-learn or
    SciPy comes to; below 0 it would have found a better one. `train/sgd_gap` after each epoch: (f(θ) − f(θ̂))/(f(0) − f(θ̂)), the
    share of the way that SGD has left, from θ = 0 on standardised columns and y in units of σ̂, or of its standard deviation where
    θ̂ is the same in all units; `train/sgd_left` is the last of them.
    """

    data: Data
    loss: Loss
    scale: Scale = "none"
    batch_size: Count = 4
    step_size: Positive = 0.05
    epochs: Count = 100
    seed: Seed = 0

    claims: ClassVar = claims_tables.CLAIMS
    figures: ClassVar[tuple[Figure, ...]] = (
        Curve(
            "train/residual", "|r| in order, in units of its median: what a loss lets stand out", x="train/quantile",
            by=("data", "loss", "scale"), panels="data",
        ),
        Curve("train/sgd_gap", "What SGD has left of the way from θ = 0 to the optimum", panels="data", log_y=True),
    )  # fmt: skip
    foremost: ClassVar[tuple[str, ...]] = (
        "train/objective", "train/scale", "train/theta_0", "train/sgd_left", "train/statsmodels_gap", "train/scikit_learn_gap",
        "train/scipy_gap",
    )  # fmt: skip

    def check(self) -> None:
        self.data.check()
        if self.data.kind is not Target.REAL:
            raise ValueError(
                f"data: targets are {self.data.kind.value}; should be {Target.REAL.value}, for a regression"
            )
        fits(self.loss, self.data.kind)
        scale.check(self.scale, self.loss)

    def warm_up(self) -> None:
        X, y, theta = np.ones((2, 1)), np.zeros(2), np.zeros((1, 1))
        for loss in {self.loss, Absolute()}:
            scale.score(loss, y)
            Objective(loss).value_and_grad(X, y, theta)
        Objective(self.loss).sgd_epoch(X, y, theta, 1, 1e-9, np.arange(2))
        Objective(self.loss).sgd_epoch(X, y, theta, 2, 1e-9, np.arange(2))

    def run(self) -> Iterator[Row]:
        d = self.data.load(self.seed)
        best, sigma = optimum(self.loss, d.X, d.y, self.scale)
        theta = best.theta * sigma
        objective = Objective(self.loss)
        sizes = np.sort(np.abs(d.y - d.X @ theta[:, 0]))
        for i, size in enumerate(sizes):
            yield Row(
                i, {"train/quantile": (i + 0.5) / len(sizes), "train/residual": size / (np.median(sizes) or math.nan)}
            )
        left = math.nan
        for epoch, left in enumerate(self._sgd(d.X, d.y, best, sigma)):
            yield Row(epoch, {"train/sgd_gap": left})
            if not math.isfinite(left):
                break
        metrics = {
            "train/objective": best.value, "train/scale": sigma, "train/gradient_share": best.gradient_norm / best.start_norm,
            "train/sgd_left": left, DIVERGED: float(not math.isfinite(left)),
            **{f"train/theta_{j}": float(t) for j, t in enumerate(theta[:, 0])},
        }  # fmt: skip
        for name, referee in referees.ALL.items():
            theirs = referee(self.loss, d.X, d.y, self.scale, sigma)
            if theirs is not None:
                value, _ = objective.value_and_grad(d.X, d.y / sigma, theirs / sigma)
                metrics[f"train/{name}_gap"] = (value - best.value) / abs(best.value)
        yield Row(WHOLE_RUN, metrics)

    def _sgd(self, X: Array, y: Array, best: Optimum, sigma: float) -> Iterator[float]:
        """What is left of the way after each epoch."""
        unit = sigma
        if scale.is_homogeneous(self.loss):  # in whatever units, θ̂ is the same, but steps are not
            unit = float(np.std(y)) or 1.0
        Z, target = standardized(X), y / unit
        f = Objective(self.loss)
        # f(θ̂), in these units, without going through Z: it spans what X does
        lowest = float(self.loss.values(X @ best.theta[:, 0] * (sigma / unit), target).mean())
        theta = np.zeros(Z.shape[1])
        highest, _ = f.value_and_grad(Z, target, theta)
        for epoch in range(self.epochs):
            order = stream(self.seed, "order", str(epoch)).permutation(len(Z))
            with np.errstate(all="ignore"):
                f.sgd_epoch(Z, target, theta, min(self.batch_size, len(Z)), self.step_size, order)
            if not np.isfinite(theta).all():
                yield math.inf
                return
            yield (f.value_and_grad(Z, target, theta)[0] - lowest) / (highest - lowest)


def optimum(loss: Loss, X: Array, y: Array, kind: Scale = "none") -> tuple[Optimum, float]:
    """The optimum of mean ℓ(Xθ/σ̂, y/σ̂) over θ, in units of σ̂ (θ̂ is `theta`·σ̂), and σ̂, estimated until neither changes.

    A loss that is not convex starts at absolute loss's optimum. Raises ValueError where the scale does not settle.
    """
    if kind == "none":
        start = None if scale.is_monotone(loss) else minimise(Absolute(), X, y).theta
        return minimise(loss, X, y, start=start), 1.0
    Z, back = orthogonal(X)
    found = many.fit(loss, Z[None], y[None], kind)
    sigma = float(found.sigma[0])
    return minimise(loss, X, y / sigma, start=(back @ found.theta[0])[:, None] / sigma), sigma


def standardized(X: Array) -> Array:
    """Columns of mean 0 and variance 1, those that do not vary left as they are: what X spans, if a column of ones is in it."""
    spread = X.std(axis=0)
    varies = spread > 1e-12 * np.abs(X).max(axis=0)
    shift = np.where(varies & bool((~varies).any()), X.mean(axis=0), 0.0)
    return np.ascontiguousarray((X - shift) / np.where(varies, spread, 1.0))
