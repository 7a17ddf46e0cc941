"""How many iterations does it take at a given step size, by gradient descent and by SGD? (notes: Gradient Descent, SGD)"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Gt, Lt

from experiments.claims import step_size as claims_step_size
from experiments.data import Data
from experiments.fitting.descent import Array, Descent
from experiments.theory import curvature, quadratics
from experiments.theory.gradient_moments import Problem, problem, quadratic, share_of_variance
from experiments.theory.sgd import Recursion, recursion
from experiments.train import fits
from harness.contract import (
    DIVERGED,
    NULL,
    WHOLE_RUN,
    Count,
    Curve,
    Experiment,
    Figure,
    Positive,
    Row,
    Seed,
)
from kernels import stream
from kernels.losses import Loss

# An excess so many times that of the start has run away.
FAR_OFF = 1e6
# The objective has risen only if by more than this, relative: it is a mean in float64.
ROUNDING = 1e-12
# f is looked at after each of so many iterations, then so much later each time; beyond 2/L it may fall and rise again soon.
EVERY = 30
EVERY_BEYOND = 1000
STRIDE = 1.03
NO_THEORY = f"{NULL}model"

OpenShare = Annotated[float, Gt(0), Lt(1)]


@dataclass(frozen=True)
class StepSize(Experiment):
    """Descent from θ = 0 with s = `relative_step` · 2/L until the excess f(θ) − f(θ̂) is `target` times that at the start.

    `batch_size=null` is gradient descent. f is looked at after each of the first iterations, then 3 % later each time; below 2/L,
    where gradient descent can only lower f, the last stretch is gone again step by step, and the count is exact. With `target=null`
    the run goes on for all `iterations`, unless f runs away or is at its minimum, and writes down the excess at every look.
    SGD's excess is the mean over `chains` independent ones (gradient descent's would all be the same: it has one).
    Where f is a parabola theory stands beside it: gradient descent's excess (`experiments.theory.quadratics`), SGD's in the mean
    (`experiments.theory.sgd`), and `model/edge`, in units of 2/L, beyond which the second moment of θ − θ̂ does not
    settle, and `model/floor`, the mean excess that is left where it does.
    Labels that a plane parts have no θ̂: f(θ̂) is then the infimum that `experiments.fitting.optimum` comes next to.
    """

    data: Data
    loss: Loss
    relative_step: Positive = 0.5
    batch_size: Count | None = None
    chains: Count = 1
    target: OpenShare | None = 0.01
    iterations: Count = 100_000
    seed: Seed = 0

    claims: ClassVar = (
        claims_step_size.STEP_SIZE_COUNT,
        claims_step_size.STEP_SIZE_SLOW,
        claims_step_size.STEP_SIZE_OVERSHOOT,
        claims_step_size.STEP_SIZE_SGD,
    )
    figures: ClassVar[tuple[Figure, ...]] = (
        Curve(
            "train/iterations_to_target", "Iterations to the target against the step size, in units of 2/L", x="relative_step",
            log_x=True, log_y=True, theory="model/iterations_to_target", vertical={"2/L": 1.0},
        ),
        Curve(
            "train/excess", "Excess of the objective over its minimum, iteration by iteration", x="train/iteration",
            by=("relative_step", "batch_size"), panels="batch_size", log_x=True, log_y=True, theory="model/excess",
            with_diverged=True,
        ),
    )  # fmt: skip
    foremost: ClassVar = ("train/iterations_to_target", "model/iterations_to_target", "model/edge")

    def check(self) -> None:
        self.data.check()
        fits(self.loss, self.data.kind)
        curvature.check_bounded(self.loss)

    def warm_up(self) -> None:
        one = ground(self.data, self.loss, self.seed)
        (descent, *_) = self._descents(one, 1e-9)
        descent.advance(EVERY)
        descent.look()

    def tags(self) -> Mapping[str, str]:
        one = ground(self.data, self.loss, self.seed)
        if not self._full and one.parabola is not None and one.recursion is None:
            return {f"{NULL}model": "theory of SGD: too many features to write its moments' recursion down"}
        return {}

    def run(self) -> Iterator[Row]:
        one = ground(self.data, self.loss, self.seed)
        step = self.relative_step * 2 / one.bound
        walk = self._walk(one, step)
        expected = self._expected(one, step)
        if self.target is None:
            for iteration, excess in walk.items():
                theory = {"model/excess": expected[iteration]} if iteration in expected else {}
                yield Row(iteration, {"train/iteration": iteration, "train/excess": excess, **theory})
        excesses = np.array(list(walk.values()))
        metrics = {
            DIVERGED: float(not excesses[-1] <= FAR_OFF),
            "train/last_excess": excesses[-1],
            "model/quadratic": float(one.parabola is not None),
            "model/step": step,
            "model/bound_step": 2 / one.bound,
        }
        if self._full:
            metrics["train/rises"] = float(np.sum(excesses[1:] > excesses[:-1] + one.rounding))
        if one.recursion is not None:
            metrics["model/edge"] = one.recursion.edge(self._share(one)) * one.bound / 2
            metrics["model/floor"] = one.share_of_fall(one.recursion.floor(step, self._share(one)))
        if self.target is not None:
            metrics |= self._counts(one, step, walk, expected)
        yield Row(WHOLE_RUN, metrics)

    @property
    def _full(self) -> bool:
        """Whether it is gradient descent."""
        return self.batch_size is None

    def _share(self, one: Ground) -> float:
        """Of a sample's variance, what a batch's mean has."""
        return share_of_variance(self.batch_size, one.problem.samples, replacement=True)

    def _descents(self, one: Ground, step: float) -> list[Descent]:
        p = one.problem
        theta = np.zeros_like(p.optimum.theta)
        return [
            Descent(self.loss, p.X, p.y, theta, step, self.batch_size, stream(self.seed, "batches", str(chain)))
            for chain in range(1 if self._full else self.chains)
        ]

    def _looks(self) -> Iterator[int]:
        """The iterations after which f is looked at: 1, 2, … and from there on a little later each time."""
        now = 0
        every = EVERY_BEYOND if self._full and self.relative_step > 1 else EVERY
        while now < self.iterations:
            now = min(self.iterations, now + 1 if now < every else math.ceil(now * STRIDE))
            yield now

    def _walk(self, one: Ground, step: float) -> dict[int, float]:
        """The excess, as a share of that at the start, at each look: to the target, or to where it has run away."""
        descents, goal = self._descents(one, step), max(self.target or 0.0, one.rounding)
        walk, last = {0: 1.0}, 0
        for look in self._looks():
            before = descents[0].theta.copy()
            for descent in descents:
                descent.advance(look - last)
            now, excess = look, float(np.mean([one.excess(descent.look()[0]) for descent in descents]))
            if excess <= goal and self._full and self.relative_step < 1:
                descents[0].theta = before
                now, excess = _down_to(goal, one, descents[0], last)
            walk[now], last = excess, now
            if not goal < excess <= FAR_OFF:
                break
        return walk

    def _expected(self, one: Ground, step: float) -> dict[int, float]:
        """What theory says of the excess at the looks; empty where it says nothing."""
        looks = [0, *self._looks()]
        if self._full and one.parabola is not None:
            levels = one.parabola.excess(step, looks)
        elif not self._full and one.recursion is not None:
            levels = mean_gaps(one.recursion, step, self._share(one), -one.problem.optimum.theta[:, 0], looks)
        else:
            return {}
        with np.errstate(over="ignore"):  # ∞ is what it runs away to
            return dict(zip(looks, (levels / levels[0]).tolist(), strict=True))

    def _counts(self, one: Ground, step: float, walk: dict[int, float], expected: dict[int, float]) -> dict[str, float]:
        """Iterations to the target, if it was met, and by theory: infinite where it says never."""
        assert self.target is not None
        last = max(walk)
        metrics = {"train/iterations_to_target": float(last)} if walk[last] <= self.target else {}
        if self._full and one.parabola is not None:
            metrics["model/iterations_to_target"] = one.parabola.iterations_to(self.target, step)
        elif expected:
            low = [iteration for iteration, excess in expected.items() if excess <= self.target]
            metrics["model/iterations_to_target"] = float(min(low, default=math.inf))
        return metrics


@dataclass(frozen=True, eq=False)
class Ground:
    """What descent goes over: the problem, L, and what theory knows where f is a parabola."""

    problem: Problem
    bound: float
    parabola: quadratics.Quadratic | None
    recursion: Recursion | None

    def excess(self, value: float) -> float:
        """(f − f(θ̂)) / (f(0) − f(θ̂)), but no less than it is known to."""
        return max(self.share_of_fall(value - self.problem.optimum.value), self.rounding)

    def share_of_fall(self, difference: float) -> float:
        """What a difference of f's is of f(0) − f(θ̂)."""
        return difference / (self.problem.start_value - self.problem.optimum.value)

    @property
    def rounding(self) -> float:
        """What the excess is known to."""
        return self.share_of_fall(ROUNDING * abs(self.problem.start_value))


@lru_cache(maxsize=2)
def ground(data: Data, loss: Loss, seed: int) -> Ground:
    """Kept for the next run, which often differs in the step size alone."""
    one = problem(data, loss, seed)
    if not one.optimum.value < one.start_value:
        raise ValueError(f"data: θ = 0 is the optimum of loss={loss.name} already; should leave something to learn")
    is_parabola = quadratic(loss)
    theta_hat = one.optimum.theta
    return Ground(
        problem=one,
        bound=curvature.bound(loss, one.X),
        parabola=quadratics.quadratic(loss, one.X, theta_hat, np.zeros_like(theta_hat)) if is_parabola else None,
        recursion=recursion(one) if is_parabola else None,
    )


def _down_to(goal: float, one: Ground, descent: Descent, now: int) -> tuple[int, float]:
    """The iteration after `now` in which the excess comes down to the goal, as it surely does, and the excess there."""
    excess = math.inf
    while excess > goal:
        descent.advance(1)
        now, excess = now + 1, one.excess(descent.look()[0])
    return now, excess


def mean_gaps(r: Recursion, step: float, share: float, start: Array, looks: Sequence[int]) -> Array:
    """SGD's E f(θ_t) − f(θ̂) at each t of a rising sequence, from θ − θ̂ = `start` (n,): powers of the recursion's matrix."""
    start = r.basis.T @ start
    first, second = np.triu_indices(len(start))
    z = np.concatenate([[1.0], start, start[first] * start[second]])
    one_step = r.matrix(step, share)
    powers: dict[int, Array] = {}
    gaps, now = [], 0
    with np.errstate(over="ignore", invalid="ignore"):  # beyond its edge the second moment grows without bound
        for t in looks:
            if t - now not in powers:
                powers[t - now] = np.linalg.matrix_power(one_step, t - now)
            z, now = powers[t - now] @ z, t
            gaps.append(r.gap_of(z[1 + len(start) :]))
    return np.array(gaps)
