"""Are the probabilities fitted to a data set's labels what comes of its test part? And is there a fit at all? (notes 6)"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from experiments.data import Data, Dataset
from experiments.fitting.newton import fit
from experiments.outcomes.calibration import binned, brier, gap_if_calibrated, recalibrated
from experiments.outcomes.labels import cross_entropy, lie, logits, refuse_misfit, softmax, taken
from harness import estimates
from harness.contract import (
    WHOLE_RUN,
    Claim,
    Count,
    Curve,
    Evidence,
    Experiment,
    Figure,
    Row,
    Seed,
    Share,
    as_table,
    counted,
)
from kernels import stream, threads
from kernels.losses import Loss, Target

Array = NDArray[np.float64]

BINS = 10
SHOWN = 0.95
SURE = 0.99  # of the gap that chance alone makes


def _separable(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    """The loss of 2θ̂ over that of θ̂, of labels that a fit has all right."""
    if "train/doubled" not in runs:
        return None
    mine = runs[(runs["train/separable"] == 1) & (runs["train/error"] == 0)]  # in part alone, the rest may grow
    if mine.empty:
        return None
    keys = [key for key in ("data", "loss", "flips", "seed") if key in runs]
    shown = [
        *keys,
        "train/separable",
        "train/doubled",
        "train/error",
        "test/error",
        "test/slope",
        "test/gap",
        "model/gap",
    ]
    return Evidence(
        quantity="training loss of 2θ̂ ÷ that of θ̂, where a plane parts the training labels",
        predicted=0.0,
        samples=mine["train/doubled"].tolist(),
        accept=(0.0, 1.0 - 1e-12),
        conditions=f"{counted(len(mine), 'run')} of {len(runs)}; where labels are not separable it is above 1",
        details=as_table(runs[[name for name in shown if name in runs]].sort_values(keys)),
    )


@dataclass(frozen=True)
class Reliability(Experiment):
    """Fit the training part to the optimum, a share `flips` of its labels flipped, and hold it to the test part's labels.

    Of two classes it is the probability of the second that counts, of more the probability of the class that is said
    (its confidence), and whether that is the right one. At the steps: each bin's fitted and observed probability, with
    the exact interval of Clopper and Pearson. `test/gap` is the expected calibration error; `model/gap` what chance makes of it
    if the fit is calibrated, `model/gap_high` what it exceeds once in a hundred. `test/slope` calibrates the logits (Cox);
    `model/slope` is predicted from the training part alone, 1 − p/χ², χ² of the likelihood ratio (van Houwelingen and le Cessie,
    1990). `test/brier…` are the Brier score and Murphy's parts of it. Of labels that a plane parts, be it in part
    (`experiments.fitting.separation`), there is no optimum: `train/separable` is 1, and nothing is said of probabilities.
    """

    data: Data
    loss: Loss
    flips: Share = 0.0
    fits: Count = 200
    seed: Seed = 0

    claims: ClassVar = (
        Claim(
            "labels-separable", "labels that a plane tells apart have no best fit: the loss falls for ever", "notes 1, section 6",
            _separable,
        ),
    )  # fmt: skip
    foremost: ClassVar = ("train/separable", "test/error", "test/gap")
    figures: ClassVar[tuple[Figure, ...]] = (
        Curve("test/observed", "How often what has that fitted probability comes true", x="test/fitted",
              by=("data", "loss", "flips"), theory="test/calibrated", interval=("test/observed_low", "test/observed_high")),
    )  # fmt: skip

    def check(self) -> None:
        self.data.check()
        refuse_misfit(self.loss, self.data.kind)
        if self.loss.target is Target.REAL or self.data.kind is Target.COUNTS:
            raise ValueError(
                f"loss={self.loss.name}: gives no probability of a label; use loss=logistic or loss=softmax"
            )
        if self.data.test_share == 0 and self.data.name != "mnist":
            raise ValueError("data.test_share: 0; should be above 0, for labels that the fit has not seen")

    def run(self) -> Iterator[Row]:
        with threads.using(1), threadpool_limits(1, user_api="blas"):
            yield from self._rows()

    def _rows(self) -> Iterator[Row]:
        d = self.data.load(self.seed)
        classes = max(2, d.outputs)
        labels = lie(d.y.astype(np.int64), self.flips, classes, stream(self.seed, "flips"))
        y = taken(self.loss, labels, classes)
        found = fit(self.loss, d.X, y, 1 if self.loss.target.one_logit else classes)
        H = d.X @ found.theta
        doubled = float(self.loss.values(2 * H, y).mean())
        chosen = np.argmax(logits(d.X_test @ found.theta), axis=1)
        metrics = {
            "train/separable": float(bool(found.parted)),
            "train/loss": found.value,
            "train/doubled": doubled / found.value,
            "train/error": float(np.mean(np.argmax(logits(H), axis=1) != labels)),
            "test/error": float(np.mean(chosen != d.y_test)),
        }
        if not found.parted:
            yield from self._table(d, found.theta)
            metrics |= self._probabilities(d, found.theta, labels)
        yield Row(WHOLE_RUN, metrics)

    def _event(self, d: Dataset, theta: Array) -> tuple[Array, Array]:
        """(fitted probability, whether it came true) for each test sample."""
        P = softmax(logits(d.X_test @ theta))
        if P.shape[1] == 2:
            return P[:, 1], d.y_test.astype(np.float64)
        chosen = np.argmax(P, axis=1)
        return P.max(axis=1), (chosen == d.y_test).astype(np.float64)

    def _table(self, d: Dataset, theta: Array) -> Iterator[Row]:
        found = binned(*self._event(d, theta), BINS)
        for step, (count, fitted, observed) in enumerate(zip(found.counts, found.fitted, found.observed, strict=True)):
            share = estimates.share(round(observed), round(count))
            low, high = share.interval(SHOWN)
            place = float(fitted / count)
            yield Row(
                step,
                {"test/fitted": place, "test/calibrated": place, "test/observed": share.value, "test/in_bin": float(count),
                 "test/observed_low": low, "test/observed_high": high},
            )  # fmt: skip

    def _probabilities(self, d: Dataset, theta: Array, labels: NDArray[np.int64]) -> dict[str, float]:
        classes = max(2, d.outputs)
        p, came = self._event(d, theta)
        by_chance = gap_if_calibrated(p, BINS, self.fits, stream(self.seed, "calibrated"))
        H, Q = logits(d.X_test @ theta), np.eye(classes)[d.y_test.astype(np.int64)]
        slope, intercepts, error = recalibrated(H, Q, intercepts=self.data.bias)
        own, shares = logits(d.X @ theta), np.eye(classes)[labels]
        parts = brier(p, came, BINS)
        alone = shares.mean(axis=0)
        alone = alone[alone > 0]
        ratio = 2 * len(labels) * float(-alone @ np.log(alone) - cross_entropy(shares, own).mean())
        parameters = int(np.linalg.matrix_rank(d.X)) * (classes - 1)
        return {
            "train/slope_error": abs(recalibrated(own, shares, intercepts=self.data.bias)[0] - 1),
            "test/loss": float(cross_entropy(Q, H).mean()),
            "test/slope": slope,
            "test/slope_error": error,
            "test/intercept": float(intercepts[-1]),
            "test/gap": binned(p, came, BINS).gap(),
            "test/brier": parts.score,
            "test/brier_reliability": parts.reliability,
            "test/brier_resolution": parts.resolution,
            "test/brier_uncertainty": parts.uncertainty,
            "test/brier_within": parts.within,
            "model/gap": float(by_chance.mean()),
            "model/gap_high": float(np.quantile(by_chance, SURE)),
            "model/likelihood_ratio": ratio,
            "model/slope": 1 - parameters / ratio,
        }
