"""Is the gradient of a batch unbiased, and does its variance fall as 1/B? Batches drawn at one θ, against theory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from experiments.claims.gradient_noise import CLAIMS
from experiments.data import Data
from experiments.theory.gradient_moments import Problem, draw, moments_at, problem, share_of_variance
from experiments.train import fits
from harness import estimates
from harness.contract import WHOLE_RUN, Claim, Count, Curve, Experiment, Figure, LeftOut, Row, Seed, Share
from kernels import stream, threads
from kernels.losses import Loss

Array = NDArray[np.float64]

# Along so many random directions, and along the gradient itself, is the bias looked for.
DIRECTIONS = 4
SHOWN = 0.95  # the confidence of a figure's bands
INTERVAL = ("noise/variance_low", "noise/variance_high")
BY = ("data", "replacement", "progress")


@dataclass(frozen=True)
class GradientNoise(Experiment):
    """`repeats` times `draws` batches of B samples at one θ: E‖g_B − g‖² = c·tr Σ, and E g_B = g.

    The theory of it is in `experiments.theory.gradient_moments`. θ lies on the straight line from 0 to the optimum, where
    the share `progress` of the loss above the least one is gone.
    `noise/variance`: the mean of ‖g_B − g‖², g_B by the kernels over the drawn samples; `model/variance`: c·tr Σ by linear algebra.
    `bias/…`: the mean of g_B − g along the gradient and along fixed random directions, in standard deviations of one batch.
    Of a batch of all samples, drawn without replacement, there is `noise/left` alone: E‖g_B − g‖²/tr Σ, which is rounding.
    `model/noise_scale` = tr Σ/‖g‖²: the batch whose noise is as large as its gradient; `model/curved_noise_scale` = tr HΣ/gᵀHg.
    """

    data: Data
    loss: Loss
    batch_size: Count = 64
    replacement: bool = True
    progress: Share = 0.0
    draws: Count = 200
    repeats: Count = 31
    seed: Seed = 0

    claims: ClassVar[tuple[Claim, ...]] = CLAIMS
    foremost: ClassVar[tuple[str, ...]] = ("noise/ratio", "noise/variance", "model/noise_scale")
    figures: ClassVar[tuple[Figure, ...]] = (
        Curve(
            "noise/variance", "Variance of a batch's gradient, E‖g_B − g‖² (thin: tr Σ/B; without replacement × (m − B)/(m − 1))",
            x="batch_size", by=BY, panels="replacement", log_x=True, log_y=True, interval=INTERVAL, theory="model/variance",
        ),
        Curve(
            "noise/ratio", "Variance measured ÷ predicted", x="batch_size", by=BY, panels="replacement", log_x=True,
            interval=("noise/ratio_low", "noise/ratio_high"), ideal={"predicted": 1.0},
        ),
        Curve(
            "bias/along_gradient", "Bias along the gradient, in standard deviations of one batch", x="batch_size", by=BY,
            panels="replacement", log_x=True, interval=("bias/along_gradient_low", "bias/along_gradient_high"),
            ideal={"unbiased": 0.0},
        ),
    )  # fmt: skip

    def check(self) -> None:
        self.data.check()
        fits(self.loss, self.data.kind)
        if self.draws < 2 or self.repeats < 2:
            raise ValueError(f"draws={self.draws}, repeats={self.repeats}: should be at least 2 each, to have a spread")
        if not self.replacement and self.batch_size > len(self.data.load(self.seed).X):
            raise LeftOut("batch_size: more than there are samples; should be at most those, without replacement")

    def warm_up(self) -> None:
        p = problem(self.data, self.loss, self.seed)
        for samples in (self.batch_size, p.samples):
            p.objective.value_and_grad(p.X, p.y, np.zeros_like(p.optimum.theta), np.zeros(samples, np.int64))

    def run(self) -> Iterator[Row]:
        p = problem(self.data, self.loss, self.seed)
        theta = p.at(self.progress)
        at = moments_at(p, self.progress)
        directions = self._directions(at.gradient)
        squares, along = self._drawn(p, theta, at.gradient, directions)
        for turn, mine in enumerate(squares):
            mean, scatter = float(mine.mean()), float(mine.var(ddof=1)) / self.draws
            # E log of a mean of N is less than the log of its expectation by half its relative variance
            yield Row(
                turn, {"repeats/log_variance": math.log(mean) + scatter / (2 * mean**2) if mean > 0 else math.nan}
            )
        predicted = share_of_variance(self.batch_size, p.samples, self.replacement) * at.total_variance
        if predicted > 0:
            measured = {**_variance(squares, predicted), **_bias(along.reshape(-1, len(directions)))}
        else:  # a batch of all samples: what is left is rounding, which no figure should take for noise
            measured = {"noise/left": float(squares.mean()) / at.total_variance}
        yield Row(
            WHOLE_RUN,
            {
                **measured,
                "noise/draws": float(squares.size),
                "model/total_variance": at.total_variance,
                "model/gradient_norm": float(np.linalg.norm(at.gradient)),
                "model/noise_scale": at.noise_scale,
                "model/curved_noise_scale": at.curved_noise_scale,
                "model/loss": p.value(theta),
            },
        )

    def _directions(self, gradient: Array) -> Array:
        """Unit vectors, as rows: the gradient's, and random ones."""
        random = stream(self.seed, "directions").standard_normal((DIRECTIONS, gradient.size))
        rows = np.vstack([gradient.ravel(), random])
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))

    def _drawn(self, p: Problem, theta: Array, gradient: Array, directions: Array) -> tuple[Array, Array]:
        """‖g_B − g‖² (repeats, draws) and (g_B − g)·u (repeats, draws, directions) of all batches."""
        f, name = p.objective, "with" if self.replacement else "without"
        squares = np.empty((self.repeats, self.draws))
        along = np.empty((self.repeats, self.draws, len(directions)))
        with threads.using(1):  # what a batch takes is less than what a second thread costs
            for turn in range(self.repeats):
                rng = stream(self.seed, "batches", name, str(self.batch_size), str(turn))
                for i in range(self.draws):
                    batch = draw(rng, p.samples, self.batch_size, self.replacement)
                    apart = (f.value_and_grad(p.X, p.y, theta, batch)[1] - gradient).ravel()
                    squares[turn, i] = apart @ apart
                    along[turn, i] = directions @ apart
        return squares, along


def _variance(squares: Array, predicted: float) -> dict[str, float]:
    """The mean of the squares, with its interval and its standard error, and what it is of what is predicted."""
    found = estimates.mean_of(squares.ravel())
    low, high = found.interval(SHOWN)
    error = float(squares.std(ddof=1)) / math.sqrt(squares.size)
    return {
        "noise/variance": found.value, "noise/variance_low": low, "noise/variance_high": high,
        "model/variance": predicted,
        "noise/ratio": found.value / predicted, "noise/ratio_low": low / predicted, "noise/ratio_high": high / predicted,
        "noise/ratio_error": error / predicted,
    }  # fmt: skip


def _bias(along: Array) -> dict[str, float]:
    """The means along the directions, in standard deviations of one batch: each with the same standard error."""
    means = along.mean(axis=0) / along.std(axis=0, ddof=1)
    error = 1 / math.sqrt(len(along))
    low, high = estimates.mean(float(means[0]), error, len(along) - 1, len(along)).interval(SHOWN)
    named = {f"bias/direction_{j}": float(value) for j, value in enumerate(means[1:], start=1)}
    return {
        "bias/along_gradient": float(means[0]), "bias/along_gradient_low": low, "bias/along_gradient_high": high,
        **named, "bias/error": error,
    }  # fmt: skip
