"""What a loss looks like: ℓ and δ over the residual, and the density that it is −log of (notes 3 to 6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.theory.asymptotics import mesh, nodes
from harness.contract import WHOLE_RUN, Claim, Curve, Evidence, Experiment, Figure, Positive, Row, as_table, counted
from kernels import noises, stream
from kernels.losses import Huber, Loss, Target

STEPS = 241
# Agreement of formulas to rounding, at values of up to some dozens.
ROUNDING = 1e-13
# Difference quotients: at so many points, of so many classes, over ±STEP, good to QUOTIENT.
POINTS, CLASSES, STEP, QUOTIENT = 400, 4, 1e-5, 1e-7


def _between(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    mine = runs[runs["model/inner_misfit"].notna()] if "model/inner_misfit" in runs else runs.iloc[:0]
    if mine.empty:
        return None
    parts = ["model/inner_misfit", "model/outer_misfit"]
    return Evidence(
        quantity="largest distance of ℓ and δ from L2 within the bend, and from a straight line of L1's shape beyond it",
        predicted=0.0,
        samples=mine[parts].to_numpy(copy=True).ravel().tolist(),
        accept=(0.0, ROUNDING),
        conditions=f"{counted(len(mine), 'bend')}, residuals up to {mine['reach'].max():g}",
        details=as_table(mine[["name", *parts]], ".1e"),
    )


def _slope(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    return Evidence(
        quantity="largest distance of δ from the difference quotient of ℓ, as a share of the largest δ",
        predicted=0.0,
        samples=runs["model/slope_misfit"].tolist(),
        accept=(0.0, QUOTIENT),
        conditions=f"losses {', '.join(sorted(set(runs['loss'])))}; every logit",
        details=as_table(runs[["name", "model/slope_misfit"]], ".1e"),
    )


@dataclass(frozen=True)
class Shapes(Experiment):
    """Tables of ℓ, δ and e^(−ℓ)/∫e^(−ℓ) at residuals h − y from −reach to reach.

    For labels: over the logit h of y = 1, or of the first of two classes. For Huber's loss also how far ℓ and δ are from
    ½r² and r within the bend (`model/inner_misfit`), and beyond it from b|r| − ½b² and ±b (`model/outer_misfit`).
    `model/slope_misfit`: how far δ is from difference quotients of ℓ.
    """

    loss: Loss
    reach: Positive = 5.0

    claims: ClassVar = (
        Claim(
            "huber-between",
            "Huber behaves as L2 for small, as L1 for large residuals",
            "notes 1, section 5.1",
            _between,
        ),
        Claim("loss-delta", "δ is the slope of the loss, for each logit", "notes 1, section 7.2", _slope),
    )
    foremost: ClassVar[tuple[str, ...]] = ("model/slope_misfit",)
    figures: ClassVar[tuple[Figure, ...]] = (
        Curve("profile/loss", "Losses of a residual", x="profile/residual", by=("loss",)),
        Curve("profile/delta", "Their deltas: how hard a residual pulls", x="profile/residual", by=("loss",)),
        Curve("profile/density", "The noise that each is −log of", x="profile/residual", by=("loss",)),
        Curve("profile/label_loss", "Losses of a logit, for the label that is true", x="profile/logit", by=("loss",)),
        Curve("profile/label_delta", "Their deltas: probability less label", x="profile/logit", by=("loss",)),
    )

    def run(self) -> Iterator[Row]:
        at = np.linspace(-self.reach, self.reach, STEPS)
        values, deltas = self._tabulated(at)
        real = self.loss.target is Target.REAL
        names = ("residual", "loss", "delta") if real else ("logit", "label_loss", "label_delta")
        columns = dict(zip(names, (at, values, deltas), strict=True))
        if real:
            columns["density"] = self._density(at)
        for step in range(STEPS):
            yield Row(step, {f"profile/{name}": float(column[step]) for name, column in columns.items()})
        misfits = self._misfits(at, values, deltas) if isinstance(self.loss, Huber) else {}
        yield Row(WHOLE_RUN, {"model/slope_misfit": self._slope_misfit(), **misfits})

    def _tabulated(self, at: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """ℓ and δ at those residuals, or logits."""
        if self.loss.target.one_logit:
            y = np.zeros_like(at) if self.loss.target is Target.REAL else np.ones_like(at)
            return self.loss.values(at, y), self.loss.deltas(at, y)
        h = np.stack([at, np.zeros_like(at)], axis=1)
        y = np.zeros(len(at), np.int64) if self.loss.target is Target.CLASS else np.tile([1.0, 0.0], (len(at), 1))
        return self.loss.values(h, y), self.loss.deltas(h, y)[:, 0]

    def _slope_misfit(self) -> float:
        """max |δⱼ − (ℓ(h + εeⱼ) − ℓ(h − εeⱼ))/2ε| over max |δ|, at many random h and y."""
        k = 1 if self.loss.target.one_logit else CLASSES
        rng = stream(0, "shapes")
        h = self.reach / 2 * rng.standard_normal((POINTS, k))
        logits = h[:, 0] if k == 1 else h
        own = next((noise for noise in noises.ALL.values() if noise.target is self.loss.target), None)
        y = own().sample(logits, rng) if own else np.zeros(POINTS)
        deltas = self.loss.deltas(logits, y).reshape(POINTS, k)
        largest = 0.0
        for j, step in enumerate(STEP * np.eye(k)):
            above, below = (self.loss.values((h + sign * step).reshape(logits.shape), y) for sign in (1, -1))
            largest = max(largest, float(np.max(np.abs(deltas[:, j] - (above - below) / (2 * STEP)))))
        return largest / float(np.max(np.abs(deltas)))

    def _density(self, at: NDArray[np.float64]) -> NDArray[np.float64]:
        def weight(x: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.exp(-self.loss.values(x, np.zeros_like(x)))

        x, weights = nodes(mesh(weight))
        return weight(at) / float(weights @ weight(x))

    def _misfits(
        self, r: NDArray[np.float64], values: NDArray[np.float64], deltas: NDArray[np.float64]
    ) -> dict[str, float]:
        (bend,) = self.loss.parameters
        inner, outer = np.abs(r) <= bend, np.abs(r) >= bend

        def largest(where: NDArray[np.bool_], *misfits: NDArray[np.float64]) -> float:
            return float(max(np.max(np.abs(each[where]), initial=0.0) for each in misfits))

        return {
            "model/inner_misfit": largest(inner, values - r**2 / 2, deltas - r),
            "model/outer_misfit": largest(outer, values - bend * (np.abs(r) - bend / 2), deltas - bend * np.sign(r)),
        }
