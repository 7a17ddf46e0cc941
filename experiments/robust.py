"""Linear regression, loss × noise × outlier share × leverage: the error of θ̂ at the optimum, against theory (notes 2, 5)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from experiments.claims import robust as claims_robust
from experiments.fitting import many, scale
from experiments.fitting.scale import Scale
from experiments.memory import check_fits
from experiments.theory import population
from experiments.theory.population import Prediction, Setting
from harness.contract import (
    WHOLE_RUN,
    Count,
    Curve,
    Experiment,
    Figure,
    HeatMap,
    LeftOut,
    NotNegative,
    Positive,
    Row,
    Seed,
    Share,
)
from harness.estimates import mean_of
from harness.timing import Stopwatch
from kernels import stream
from kernels.losses import Absolute, Loss, Squared, Target
from kernels.noises import Noise

Array = NDArray[np.float64]

SHOWN = 0.95  # confidence of the intervals in figures
OWN = ("train/error_low", "train/error_high")
# Fits are made in pieces of so many numbers of X: 32 MB.
PIECE = 4_000_000


@dataclass(frozen=True)
class Robust(Experiment):
    """y = Xθ* + z, X of n standard normal features and a column of ones; θ̂ to the optimum, `fits` times, each with data of its own.

    A share `outliers` of the samples (rounded) is `outlier_size` off in y, all to one side, so that they bias; with `leverage`
    their first feature is that far away too. `scale`: how the residuals' scale is estimated (`experiments.fitting.scale`).
    `basin`: where a loss that is not convex starts, at absolute loss's optimum, or at θ*, which nobody knows but who simulates.
    The seed's streams do not depend on loss, share or size: losses meet the same samples.

    `train/squared_error`: the mean of ‖θ̂ − θ*‖² over fits, with its standard error; `train/error` its root. `model/…`: what
    quadrature says of it (`experiments.theory.population`). `train/advantage`: the log of squared error over that of the loss
    which is −log of the noise (least squares where there is none), on the same samples.
    """

    loss: Loss
    noise: Noise
    scale: Scale = "none"
    basin: Literal["absolute", "truth"] = "absolute"
    samples: Count = 200
    features: Count = 3
    outliers: Share = 0.0
    outlier_size: Positive = 10.0
    leverage: NotNegative = 0.0
    fits: Count = 200
    seed: Seed = 0

    claims: ClassVar = claims_robust.CLAIMS
    figures: ClassVar[tuple[Figure, ...]] = (
        Curve(
            "train/error", "Error of θ̂ by the share of outliers, theory dotted", x="outliers", panels="leverage", log_y=True,
            interval=OWN, theory="model/error",
        ),
        Curve(
            "train/error", "Error of θ̂ by how far off the outliers are, theory dotted", x="outlier_size", panels="leverage",
            log_x=True, log_y=True, interval=OWN, theory="model/error",
        ),
        Curve(
            "train/error_ratio", "Squared error of θ̂ over what theory says, by the number of samples", x="samples", panels="noise",
            interval=("train/error_ratio_low", "train/error_ratio_high"), ideal={"theory": 1.0},
        ),
        HeatMap("noise", "loss", "train/variance", "m · mean squared error of a parameter, loss × noise"),
        HeatMap("noise", "loss", "model/variance", "What theory says of it: E ψ² / (E ψ′)²"),
    )  # fmt: skip
    foremost: ClassVar[tuple[str, ...]] = ("train/error", "model/error")

    def check(self) -> None:
        if self.noise.target is not Target.REAL:
            raise ValueError(
                f"noise={self.noise.name} gives {self.noise.target.value}; should be one of {Target.REAL.value}"
            )
        if self.fits < 2:
            raise ValueError(f"fits: {self.fits}; should be at least 2, to have a spread")
        scale.check(self.scale, self.loss)
        if self.samples <= self.features + 2:
            raise ValueError(
                f"samples: {self.samples} of {self.features} features and an intercept; should be at least {self.features + 3}"
            )
        if self.outliers > 0 and not 0 < self._count < self.samples:
            raise ValueError(
                f"outliers: {self.outliers} of {self.samples} samples is {self._count}; should be at least one"
            )
        if self.leverage > 0 and self.outliers == 0:
            raise LeftOut(f"leverage={self.leverage:g} without outliers: it is theirs; leverage=0 is the same")
        if self.basin == "truth" and scale.is_monotone(self.loss):
            raise LeftOut(
                f"basin=truth: loss={self.loss.name} is convex, and has one optimum; basin=absolute is the same"
            )
        check_fits(
            f"samples={self.samples}, features={self.features}", 8 * max(PIECE, self.samples * (self.features + 1))
        )

    def warm_up(self) -> None:
        for loss in {self.loss, self._reference, Absolute()}:
            scale.score(loss, np.zeros(2))

    def run(self) -> Iterator[Row]:
        watch = Stopwatch()
        errors, rival, sigmas, left_over = [], [], [], 0
        for X, y, theta in self._pieces():
            with watch.of("fits"):
                fits = many.fit(
                    self.loss, X, y, self.scale, np.repeat(theta, len(X), axis=0) if self.basin == "truth" else None
                )
            errors.append(fits.theta - theta)
            sigmas.append(fits.sigma)
            left_over += fits.left_over
            if self._has_rival:
                rival.append(many.fit(self._reference, X, y).theta - theta)
        error = np.concatenate(errors)
        setting = Setting(
            self.noise, self.samples, self.features, self._count / self.samples, self.outlier_size, self.leverage
        )
        predicted = population.predict(self.loss, setting, self.scale, from_truth=self.basin == "truth")
        metrics = {
            **measured(error, self.samples), **self._theory(predicted), **ratio_to(predicted.squared_error, error),
            "train/scale": float(np.concatenate(sigmas).mean()), "train/left_over": float(left_over),
            "time/fit_s": watch.seconds["fits"] / self.fits,
        }  # fmt: skip
        if rival:
            other = population.predict(self._reference, setting)
            metrics |= advantage(error, np.concatenate(rival))
            metrics["model/advantage"] = math.log(predicted.squared_error / other.squared_error)
        yield Row(WHOLE_RUN, metrics)

    @property
    def _count(self) -> int:
        """How many samples are outliers."""
        return round(self.outliers * self.samples)

    @property
    def _reference(self) -> Loss:
        matched = self.noise.matched_loss()
        return Squared() if matched is None else matched[0]

    @property
    def _has_rival(self) -> bool:
        return self.outliers == 0 and self.scale == "none" and self.loss != self._reference

    def _pieces(self) -> Iterator[tuple[Array, Array, Array]]:
        """X (F, m, n + 1), y (F, m) and θ* (1, n + 1), the intercept last, some fits at a time."""
        m, n = self.samples, self.features
        theta = stream(self.seed, "theta").standard_normal((1, n + 1)) / math.sqrt(n)
        at_once = max(1, PIECE // (m * (n + 1)))
        for first in range(0, self.fits, at_once):
            turns = range(first, min(first + at_once, self.fits))
            X = np.ones((len(turns), m, n + 1))
            z = np.empty((len(turns), m))
            for i, turn in enumerate(turns):
                X[i, :, :n] = stream(self.seed, "features", str(turn)).standard_normal((m, n))
                z[i] = self.noise.sample(np.zeros(m), stream(self.seed, "noise", str(turn)))
            X[:, : self._count, 0] += self.leverage
            z[:, : self._count] += self.outlier_size
            yield X, np.matmul(X, theta[0]) + z, theta

    def _theory(self, predicted: Prediction) -> dict[str, float]:
        there = population.table(self.loss, self.noise)
        return {
            "model/error": math.sqrt(predicted.squared_error),
            "model/squared_error": predicted.squared_error,
            "model/bias": float(np.hypot(*predicted.bias)),
            "model/variance": predicted.variance,
            "model/scale": predicted.sigma,
            "model/fourth_moment": there.fourth if math.isfinite(there.fourth) else math.nan,
            "model/tail_exponent": scale.tail_exponent(self.loss),
            "model/breaking_leverage": population.breaking_leverage(self._count / self.samples),
        }


def measured(error: Array, samples: int) -> dict[str, float]:
    """Of errors θ̂ − θ* (F, n + 1): the mean of their squared lengths, with standard error and interval, and its root."""
    squared = (error**2).sum(axis=1)
    estimate = mean_of(squared)
    low, high = estimate.interval(SHOWN)
    return {
        "train/squared_error": estimate.value,
        "train/squared_error_se": standard_error(squared),
        "train/error": math.sqrt(estimate.value),
        "train/error_low": math.sqrt(max(low, 0.0)),
        "train/error_high": math.sqrt(high),
        "train/bias": float(np.linalg.norm(error.mean(axis=0))),
        "train/variance": samples * estimate.value / error.shape[1],
        "train/fits": float(len(error)),
    }


def ratio_to(predicted: float, error: Array) -> dict[str, float]:
    """Mean squared length over what was predicted, its standard error, and its interval for figures."""
    ratio = (error**2).sum(axis=1) / predicted
    low, high = mean_of(ratio).interval(SHOWN)
    return {
        "train/error_ratio": float(ratio.mean()), "train/error_ratio_se": standard_error(ratio),
        "train/error_ratio_low": low, "train/error_ratio_high": high,
    }  # fmt: skip


def advantage(error: Array, other: Array) -> dict[str, float]:
    """log(mean squared length of one / of the other), by pairs: its standard error is that of the linearised ratio."""
    one, two = (error**2).sum(axis=1), (other**2).sum(axis=1)
    return {
        "train/advantage": math.log(one.mean() / two.mean()),
        "train/advantage_se": standard_error(one / one.mean() - two / two.mean()),
    }


def standard_error(x: Array) -> float:
    """s/√F; NaN for a single one."""
    return float(x.std(ddof=1)) / math.sqrt(len(x)) if len(x) > 1 else math.nan
