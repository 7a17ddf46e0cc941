"""Beyond which step size does gradient descent not settle? Bisected, against 2/L and 2/λmax(∇²f(θ̂)) (notes: Gradient Descent)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from experiments.claims import step_size as claims_step_size
from experiments.fitting.descent import Array, Descent
from experiments.problem import own_noise, random_data
from experiments.theory import curvature
from experiments.theory.gradient_moments import Problem, problem, quadratic
from harness.contract import WHOLE_RUN, AtLeastOne, Bars, Count, Curve, Experiment, Figure, Row, Seed
from kernels import stream
from kernels.losses import Loss

# Steps are tried from here on upwards, each so much longer than the one before, in units of 2/L; then bisected.
FIRST = 0.5
STRIDE = 1.1
LAST = 200.0
RESOLUTION = 5e-4  # of the bisection, relative
# Settled: ‖∇f‖ has come down to this share of its value at the start.
SETTLED = 1e-4
# A gradient so many times that of the start has run away.
FAR_OFF = 1e6
CHUNK = 50  # iterations between two looks


@dataclass(frozen=True)
class Edge(Experiment):
    """The largest step size below which gradient descent settles, in units of 2/L, on a random problem of the loss's own noise.

    A step settles if ‖∇f(θ_t)‖ ≤ 10⁻⁴ ‖∇f(θ₀)‖ within `iterations` from a random θ₀, in which every eigenvector has its share.
    Steps are tried from ½·2/L upwards until one does not settle, so that the edge is the first there is (where f is no parabola,
    larger steps may settle again); the gap is bisected. What does not settle in T iterations may still lie below the
    edge, though not far: near it the distance from θ̂ is multiplied by −(2s/edge − 1) each time, so that
    edge < s·2/(1 + 10^(−4/T)), 0.15 % above s for T = 3000. `train/edge_high` is that.

    Predicted is 1 for a parabola; for any other loss nothing below 1, and nothing above `model/edge` = L/λmax(∇²f(θ̂)), beyond which
    θ̂ itself throws gradient descent off. Between the two a cycle may catch it, depending on where it starts
    (Meng, Orvieto, Cao and De Sa, 2024, arXiv:2406.05033).
    """

    loss: Loss
    samples: Count = 200
    features: Count = 5
    classes: Count = 3
    condition: AtLeastOne = 3.0
    iterations: Count = 3000
    seed: Seed = 0

    claims: ClassVar = (
        claims_step_size.STEP_SIZE,
        claims_step_size.STEP_SIZE_BOUND,
        claims_step_size.STEP_SIZE_LOCAL,
    )
    figures: ClassVar[tuple[Figure, ...]] = (
        Bars(
            "train/edge", "loss", "Edge of divergence, in units of 2/L", by=(),
            interval=("train/edge_low", "train/edge_high"),
        ),
        Curve(
            "train/edge", "Edge of divergence against 2/λmax at the optimum, in units of 2/L", x="model/edge", by=("loss",),
            theory="model/edge", ideal={"2/L": 1.0},
        ),
    )  # fmt: skip

    def check(self) -> None:
        curvature.check_bounded(self.loss)
        own_noise(self.loss)
        if not self.loss.target.one_logit and self.classes < 2:
            raise ValueError(f"classes: {self.classes} with loss={self.loss.name}; should be at least 2")
        fewest = CHUNK * 10
        if self.iterations < fewest:
            raise ValueError(
                f"iterations: {self.iterations}; should be at least {fewest}, to tell steps near the edge apart"
            )

    def warm_up(self) -> None:
        one = self._problem()
        descent = Descent(self.loss, one.X, one.y, np.zeros_like(one.optimum.theta), 1e-9)
        descent.advance(CHUNK)
        descent.look()

    def _problem(self) -> Problem:
        data = random_data(self.loss, self.samples, self.features, self.classes, self.condition)
        return problem(data, self.loss, self.seed)

    def run(self) -> Iterator[Row]:
        one = self._problem()
        check_attained(one)
        bound = curvature.bound(self.loss, one.X)
        start = stream(self.seed, "start").standard_normal(one.optimum.theta.shape)
        tried: dict[float, bool] = {}

        def holds(ratio: float) -> bool:
            if ratio not in tried:
                tried[ratio] = settles(one, start, ratio * 2 / bound, self.iterations)
            return tried[ratio]

        low, high = edge(holds)
        high *= 2 / (1 + SETTLED ** (1 / self.iterations))
        local = bound / curvature.sharpness(one.objective, one.X, one.y, one.optimum.theta)
        yield Row(
            WHOLE_RUN,
            {
                "train/edge": (low + high) / 2,
                "train/edge_low": low,
                "train/edge_high": high,
                "train/edge_over_local": (low + high) / 2 / local,
                "train/descents": len(tried),
                "model/edge": local,
                "model/quadratic": float(quadratic(self.loss)),
                "model/bound_step": 2 / bound,
            },
        )


def check_attained(one: Problem) -> None:
    """Raise ValueError where a plane parts the labels: f then falls for ever along θ, towards no minimum, at any step size."""
    if not one.optimum.flat:
        raise ValueError(f"samples: {one.samples} have labels that can be parted, and no optimum; should be more")


def settles(one: Problem, start: Array, step: float, iterations: int) -> bool:
    """Whether gradient descent with that step size comes to rest within so many iterations."""
    descent = Descent(one.loss, one.X, one.y, start, step)
    _, first = descent.look()
    for done in range(0, iterations, CHUNK):
        descent.advance(min(CHUNK, iterations - done))
        _, norm = descent.look()
        if norm <= SETTLED * first:
            return True
        if norm > FAR_OFF * first:
            return False
    return False


def edge(holds: Callable[[float], bool]) -> tuple[float, float]:
    """(low, high), next to each other, with holds(low) but not holds(high): the first edge from `FIRST` on, else the last below.

    low is 0 where not even tiny steps hold, high infinite where all do.
    """
    low, high = 0.0, FIRST
    while holds(high) and high < LAST:
        low, high = high, high * STRIDE
    if high >= LAST:
        return low, np.inf
    if low == 0:
        low = FIRST / STRIDE
        while not holds(low):
            if low < FIRST / LAST:
                return 0.0, low
            low, high = low / STRIDE, low
    while high / low > 1 + RESOLUTION:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low, high
