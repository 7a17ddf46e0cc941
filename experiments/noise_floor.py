"""How low does a constant step get? SGD at the optimum, whose gap f(θ) − f(θ̂) settles at a floor that step and batch decide."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from experiments.claims.noise_floor import CLAIMS
from experiments.data import Data
from experiments.fitting.sgd_steps import Visits
from experiments.theory.gradient_moments import Problem, moments, problem, quadratic, share_of_variance
from experiments.theory.sgd import Lyapunov, Recursion, lyapunov, recursion
from experiments.train import fits
from harness import estimates
from harness.contract import WHOLE_RUN, Claim, Count, Curve, Experiment, Figure, LeftOut, Positive, Row, Seed
from kernels import threads
from kernels.losses import Loss

# A chain starts at θ̂, and is looked at once its gap is within this share of the floor …
REST = 2e-3
# … so many times, a third of its time to settle apart, …
LOOKS = 120
APART = 3
# … unless it would settle so slowly.
MOST_STEPS = 100_000
SHOWN = 0.95  # the confidence of a figure's bands


@dataclass(frozen=True)
class NoiseFloor(Experiment):
    """The floor E f(θ) − f(θ̂) under θ ← θ − s·g_B, samples drawn with replacement: `chains` independent chains from θ̂.

    `model/floor`: by the recursion of the second moment, exact for a quadratic loss, or by Lyapunov's equation, to first order
    in s (`experiments.theory.sgd`). `noise/floor_per_step` = gap·B/s is tr Σ/4 while steps are small, and bends up towards
    `model/edge`, the largest step that this batch is known to allow. A chain's mean over time is one sample: the interval knows
    of no correlation.
    """

    data: Data
    loss: Loss
    batch_size: Count = 8
    step_size: Positive = 0.1
    chains: Count = 31
    seed: Seed = 0

    claims: ClassVar[tuple[Claim, ...]] = CLAIMS
    foremost: ClassVar[tuple[str, ...]] = ("noise/floor", "noise/ratio", "model/edge")
    figures: ClassVar[tuple[Figure, ...]] = (
        Curve(
            "noise/floor", "The floor that a constant step leaves, E f(θ) − f(θ̂) (thin: theory)", x="step_size",
            by=("batch_size", "loss"), log_x=True, log_y=True, interval=("noise/floor_low", "noise/floor_high"),
            theory="model/floor",
        ),
        Curve(
            "noise/floor_per_step", "Floor × batch ÷ step: constant (tr Σ/4) for small steps, and where it bends (thin: theory)",
            x="step_size", by=("batch_size", "loss"), log_x=True, theory="model/floor_per_step",
            interval=("noise/floor_per_step_low", "noise/floor_per_step_high"),
        ),
    )  # fmt: skip

    def check(self) -> None:
        self.data.check()
        fits(self.loss, self.data.kind)
        if self.chains < 2:
            raise ValueError(f"chains: {self.chains}; should be at least 2, to have a spread")
        if math.isinf(self.loss.curvature):
            raise ValueError(f"loss={self.loss.name}: its δ jumps, so there is no H; should be a loss with a curvature")
        theory, share = self._theory(), self._share()
        settles = not math.isinf(theory.floor(self.step_size, share))
        if not settles and self.step_size > theory.edge(share):
            raise LeftOut("step_size: larger than the batch allows, so that there is no floor; should be smaller")
        if not settles or theory.settling(self.step_size, share, REST) > MOST_STEPS:
            raise ValueError(
                f"step_size: {self.step_size:g} takes more than {MOST_STEPS:,} steps to settle; should be larger, or the labels "
                "noisier (of separable ones there is no θ̂), or the columns of X scaled alike"
            )

    def warm_up(self) -> None:
        p = self._problem()
        p.objective.sgd_epoch(
            p.X,
            p.y,
            p.optimum.theta.copy(),
            self.batch_size,
            self.step_size,
            np.arange(min(self.batch_size, p.samples)),
        )

    def run(self) -> Iterator[Row]:
        p, theory, share = self._problem(), self._theory(), self._share()
        settling = theory.settling(self.step_size, share, REST)
        with threads.using(1):  # what a batch takes is less than what a second thread costs
            floors = np.array([self._chain(p, settling, chain) for chain in range(self.chains)])
        for chain, floor in enumerate(floors):
            yield Row(chain, {"chains/floor": float(floor)})
        found = estimates.mean_of(floors)
        low, high = found.interval(SHOWN)
        predicted = theory.floor(self.step_size, share)
        small = 0.25 * self.step_size * share * moments(self.loss, p.X, p.y, p.optimum.theta).total_variance
        per_step = self.batch_size / self.step_size
        yield Row(
            WHOLE_RUN,
            {
                "noise/floor": found.value, "noise/floor_low": low, "noise/floor_high": high,
                "noise/floor_per_step": found.value * per_step, "noise/floor_per_step_low": low * per_step,
                "noise/floor_per_step_high": high * per_step,
                "noise/ratio": found.value / predicted,
                "noise/settling_steps": float(settling),
                "model/floor": predicted, "model/floor_per_step": predicted * per_step,
                "model/small_step_floor": small,
                "model/edge": theory.edge(share),
                "model/exact": float(quadratic(self.loss) and isinstance(theory, Recursion)),
            },
        )  # fmt: skip

    def _problem(self) -> Problem:
        return problem(self.data, self.loss, self.seed)

    def _theory(self) -> Recursion | Lyapunov:
        p = self._problem()
        theory = recursion(p) or lyapunov(p)
        if theory is None:
            raise ValueError(f"data: {p.X.shape[1]} features and {p.outputs} outputs; should be fewer, to have an H of")
        return theory

    def _share(self) -> float:
        return share_of_variance(self.batch_size, self._problem().samples, replacement=True)

    def _chain(self, p: Problem, settling: int, chain: int) -> float:
        """The mean gap over one chain's looks."""
        visits = Visits(self.seed, p.samples, self.batch_size, "replacement", f"chain {chain}")
        f, theta, gaps = p.objective, p.optimum.theta.copy(), np.empty(LOOKS)

        def advance(steps: int) -> None:
            f.sgd_epoch(p.X, p.y, theta, self.batch_size, self.step_size, visits.next(steps))

        advance(settling)
        for look in range(LOOKS):
            advance(-(-settling // APART))
            gaps[look] = p.value(theta) - p.optimum.value
        return float(gaps.mean())
