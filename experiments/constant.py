"""The best constant under a loss: argmin over a of mean ℓ(a, yᵢ), on one data set's targets (notes 3.2, 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from experiments.backends.base import Backend, OnArrays
from experiments.data import Data
from experiments.train import fits
from harness.contract import WHOLE_RUN, Bars, Claim, Evidence, Experiment, Figure, Row, Seed, as_table, counted
from kernels.losses import Loss, Target

# A constant found by a root search agrees with a sum or an order statistic to rounding, not better.
AGREEMENT = 1e-9
# Below this distance (in standard deviations) mean and median can't be told apart, and the sample proves nothing.
APART = 1e-6
EVEN = "; of an even number of values, all between the two in the middle are medians"


def _is(statistic: str, loss: str) -> Callable[[pd.DataFrame, pd.DataFrame], Evidence | None]:
    other = {"mean": "median", "median": "mean"}[statistic]

    def weigh(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
        wanted = runs[(runs["loss"] == loss) & (runs[f"model/{other}_distance"] > APART)]
        if wanted.empty:
            return None
        shown = ["name", "train/constant", "model/mean", "model/median"]
        return Evidence(
            quantity=f"distance of the best constant from the {statistic}, in standard deviations of y",
            predicted=0.0,
            samples=wanted[f"model/{statistic}_distance"].tolist(),
            accept=(0.0, AGREEMENT),
            conditions=counted(len(wanted), "sample") + ", with mean and median apart" + EVEN * (statistic == "median"),
            details=as_table(wanted[shown].head(8), ".9g"),
        )

    return weigh


@dataclass(frozen=True)
class Constant(Experiment):
    """Minimise mean ℓ(a, y) over the constant a to the optimum, and compare with the mean and the median of y.

    The minimiser is the root of the mean δ(a, y) in a, by Brent's method on the kernel's gradient with a single feature
    of ones. Where δ jumps over 0 on an interval (absolute loss, an even number of samples) the nearest median counts.
    """

    data: Data
    loss: Loss
    backend: Callable[..., Backend]
    seed: Seed = 0

    claims: ClassVar = (
        Claim("l2-mean", "under L2 the best constant is the mean", "notes 1, section 3.2", _is("mean", "squared")),
        Claim("l1-median", "under L1 the best constant is the median", "notes 1, section 4", _is("median", "absolute")),
    )
    figures: ClassVar[tuple[Figure, ...]] = (
        Bars("model/mean_distance", "loss", "Distance of the best constant from the mean", log_y=True),
        Bars("model/median_distance", "loss", "Distance of the best constant from the median", log_y=True),
    )

    def check(self) -> None:
        self.data.check()
        if self.data.kind is not Target.REAL:
            raise ValueError(f"data: targets are {self.data.kind.value}; should be {Target.REAL.value}, to have a mean")
        fits(self.loss, self.data.kind)
        self.backend(self.loss, layout="rows").check("fused")

    def run(self) -> Iterator[Row]:
        y = np.asarray(self.data.load(self.seed).y, np.float64)
        constant = best_constant(OnArrays(self.backend(self.loss, layout="rows"), "float64"), y)
        mean, spread = float(np.mean(y)), float(np.std(y)) or 1.0
        low, high = np.sort(y)[[(len(y) - 1) // 2, len(y) // 2]]  # every number between is a median
        yield Row(
            WHOLE_RUN,
            {
                "train/constant": constant,
                "model/mean": mean,
                "model/median": float(low + high) / 2,
                "model/mean_distance": abs(constant - mean) / spread,
                "model/median_distance": float(max(low - constant, constant - high, 0.0)) / spread,
            },
        )


def best_constant(f: OnArrays, y: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """argmin over a of f's mean loss with h = a for every sample."""
    ones = np.ones((len(y), 1))

    def slope(a: float) -> float:
        return float(f.value_and_grad(ones, y, np.array([[a]]))[1][0, 0])

    low, high = float(y.min()), float(y.max())
    if slope(low) >= 0:
        return low
    if slope(high) <= 0:
        return high
    return float(brentq(slope, low, high, xtol=1e-14 * max(abs(low), abs(high)), rtol=4 * np.finfo(float).eps))
