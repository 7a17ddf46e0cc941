"""Is the mean loss of a linear hypothesis convex, and has the 0/1 error a gradient? Chords, Hessians, small moves (notes 2)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from experiments.claims import convexity as claims_convexity
from experiments.data import Synthetic
from experiments.problem import own_noise, random_data
from experiments.theory import curvature
from harness.contract import WHOLE_RUN, AtLeastOne, Count, Curve, Experiment, Figure, Positive, Row, Seed
from kernels import Objective, stream
from kernels.losses import Loss, Target

Array = NDArray[np.float64]

SPREADS = (
    0.1,
    30.0,
)  # standard deviations of h, from first to last of the θ that are tried: far out losses are nearly straight
APART = 0.5  # of two θ, in units of their length
SHARES = np.linspace(0.1, 0.9, 9)  # t of tθ₁ + (1 − t)θ₂
HESSIANS = 20
POINTS = 801  # of the line along which f is tabulated
LENGTHS = np.logspace(-8, 1, 19)  # of moves, in units of ‖θ‖
PROBES = 1000  # of δ, on either side of 0
SHORT = 1e-6  # the move that stands for a difference quotient


@dataclass(frozen=True)
class Convexity(Experiment):
    """Is f(θ) = 1/m Σ ℓ(hᵢ, yᵢ) convex, on a random problem of the loss's own noise, and the share of wrong labels flat?

    Over `pairs` of random θ₁, θ₂: `model/chord_excess` is the most by which f(tθ₁ + (1 − t)θ₂) exceeds t·f(θ₁) + (1 − t)·f(θ₂),
    as a share of the larger |f|; `model/least_alignment` the least (∇f(θ₁) − ∇f(θ₂))·(θ₁ − θ₂), as a share of
    (‖∇f(θ₁)‖ + ‖∇f(θ₂)‖)·‖θ₁ − θ₂‖, negative for no convex f; `model/least_curvature` the least eigenvalue of ∇²f, as a share of
    L, and `model/least_slope` the least slope of δ, as a share of the largest: the other can't be below it.

    From `moves` random θ, each in a random direction: does the 0/1 error change, does f? A label changes where two logits cross,
    which a move of length ε can't do to sample i if its margin is above ε‖xᵢ‖ (above √2·ε‖xᵢ‖ between two of k logits). So
    `model/in_reach`, the share of θ with a sample nearer than that, bounds `train/changed`: it vanishes with ε. With `reach` both
    are tabulated by the move's length, and f and the error along a line.
    """

    loss: Loss
    samples: Count = 200
    features: Count = 5
    classes: Count = 3
    condition: AtLeastOne = 3.0
    pairs: Count = 200
    moves: Count = 2000
    reach: Positive | None = None
    seed: Seed = 0

    claims: ClassVar = (
        claims_convexity.CE_CONVEX,
        claims_convexity.ERROR_FLAT,
        claims_convexity.NOT_CONVEX,
    )
    figures: ClassVar[tuple[Figure, ...]] = (
        Curve(
            "slice/error", "Along a line: 0/1 error, a staircase, and (thin) cross-entropy, smooth and convex, ÷ their range",
            x="slice/along", by=("loss",), theory="slice/loss",
        ),
        Curve("slice/loss", "The mean loss along a line, as a share of its range", x="slice/along", by=("loss",)),
        Curve(
            "train/changed", "Share of moves that change the 0/1 error (thin: could change it), by length ÷ ‖θ‖", x="train/length",
            by=("loss",), log_x=True, theory="model/in_reach",
        ),
    )  # fmt: skip
    foremost: ClassVar = ("model/chord_excess", "model/least_alignment", "model/least_curvature", "train/still_moves")

    def check(self) -> None:
        own_noise(self.loss)

    def warm_up(self) -> None:
        d = self._data().load(self.seed)
        Objective(self.loss).value_and_grad(d.X, d.y, np.zeros((self.features, d.outputs)))
        self.loss.values(d.X @ np.zeros((self.features, d.outputs)), d.y)

    def run(self) -> Iterator[Row]:
        d = self._data().load(self.seed)
        f = Objective(self.loss)
        shape = (self.features, d.outputs)
        one = self._draw("one", self.pairs, d.X, shape)
        away = stream(self.seed, "other").standard_normal(one.shape)
        other = one + APART * _sizes(one) / _sizes(away) * away
        metrics = chords(f, d.X, d.y, one, other)
        if math.isfinite(self.loss.curvature):
            points = self._draw("points", HESSIANS, d.X, shape)
            least = min(float(np.linalg.eigvalsh(curvature.hessian(f, d.X, d.y, theta))[0]) for theta in points)
            metrics["model/least_curvature"] = least / curvature.bound(self.loss, d.X)
        if self.loss.target.one_logit and math.isfinite(self.loss.curvature):
            metrics["model/least_slope"] = least_slope(self.loss)
        metrics["model/of_labels"] = float(self.loss.target is not Target.REAL)
        if self.reach is not None:
            assert d.theta_star is not None
            yield from self._slice(d.X, d.y, d.theta_star, self.reach)
        if self.loss.target in (Target.BINARY, Target.CLASS):
            starts = self._draw("starts", self.moves, d.X, shape)
            directions = stream(self.seed, "directions").standard_normal(starts.shape)
            directions *= _sizes(starts) / _sizes(directions)
            for i, length in enumerate(LENGTHS if self.reach is not None else ()):
                changed, in_reach = moved(d.X, d.y, starts, float(length) * directions)
                yield Row(i, {"train/length": length, "train/changed": changed, "model/in_reach": in_reach})
            changed, in_reach = moved(d.X, d.y, starts, SHORT * directions)
            before, after = (self._losses(d.X, d.y, thetas) for thetas in (starts, starts + SHORT * directions))
            metrics |= {
                "train/moves": float(self.moves),
                "train/still_moves": float(round(self.moves * (1 - changed))),
                "train/loss_moved": float(np.mean(before != after)),
                "model/still_moves": 1 - in_reach,
            }
        yield Row(WHOLE_RUN, metrics)

    def _data(self) -> Synthetic:
        return random_data(self.loss, self.samples, self.features, self.classes, self.condition)

    def _draw(self, name: str, count: int, X: Array, shape: tuple[int, int]) -> Array:
        """So many random θ, the logits of which spread from little to much."""
        unit = math.sqrt(len(X) / float(np.sum(X**2)))
        spreads = np.geomspace(*SPREADS, count)[:, None, None]
        return np.asarray(unit * spreads * stream(self.seed, name).standard_normal((count, *shape)))

    def _slice(self, X: Array, y: NDArray[Any], truth: Array, reach: float) -> Iterator[Row]:
        """f and the 0/1 error at θ* + a·‖θ*‖·u for a random direction u, |a| ≤ `reach`, as shares of their range."""
        u = stream(self.seed, "line").standard_normal(truth.shape)
        u *= np.linalg.norm(truth) / np.linalg.norm(u)
        along = np.linspace(-reach, reach, POINTS)
        thetas = truth + along[:, None, None] * u
        loss = self._losses(X, y, thetas)
        columns = {"slice/along": along, "slice/loss": (loss - loss.min()) / np.ptp(loss)}
        if self.loss.target in (Target.BINARY, Target.CLASS):
            wrong = np.mean(decided(X, thetas) != y, axis=1)
            columns["slice/error"] = (wrong - wrong.min()) / max(float(np.ptp(wrong)), 1 / len(y))
        for i in range(POINTS):
            yield Row(i, {name: float(column[i]) for name, column in columns.items()})

    def _losses(self, X: Array, y: NDArray[Any], thetas: Array) -> Array:
        """f at each θ of a stack, from one call of the kernel."""
        H = logits(X, thetas)
        values = self.loss.values(H.reshape(-1, H.shape[2]), np.concatenate([y] * len(thetas)))
        return np.asarray(values.reshape(len(thetas), -1).mean(axis=1))


def least_slope(loss: Loss) -> float:
    """min ∂δ/∂h over h, of a loss of one logit, as a share of its largest: below 0 for a loss that is not convex."""
    away = np.geomspace(1e-3, 1e3, PROBES)
    h = np.concatenate([-away[::-1], away])
    slopes = [np.diff(loss.deltas(h, np.full(len(h), y))) / np.diff(h) for y in (0.0, 1.0)]
    return float(np.min(slopes)) / loss.curvature


def chords(f: Objective, X: Array, y: NDArray[Any], ones: Array, others: Array) -> dict[str, float]:
    """What speaks against convexity between each θ of a stack and its fellow."""
    excess, alignment = -math.inf, math.inf
    for one, other in zip(ones, others, strict=True):
        (high, slope), (low, other_slope) = f.value_and_grad(X, y, one), f.value_and_grad(X, y, other)
        between = [f.value_and_grad(X, y, t * one + (1 - t) * other)[0] for t in SHARES]
        above = np.array(between) - (SHARES * high + (1 - SHARES) * low)
        excess = max(excess, float(above.max()) / max(abs(high), abs(low)))
        turned = float(np.sum((slope - other_slope) * (one - other)))
        sizes = np.linalg.norm(slope) + np.linalg.norm(other_slope)
        alignment = min(alignment, turned / float(sizes * np.linalg.norm(one - other)))
    return {"model/chord_excess": excess, "model/least_alignment": alignment}


def _sizes(thetas: Array) -> Array:
    """‖θ‖ of each of a stack, (number of θ, 1, 1)."""
    return np.asarray(np.linalg.norm(thetas, axis=(1, 2), keepdims=True))


def moved(X: Array, y: NDArray[Any], starts: Array, moves: Array) -> tuple[float, float]:
    """The share of moves that change the number of wrong labels, and the share that are long enough to change any label."""
    before, after = (np.sum(decided(X, thetas) != y, axis=1) for thetas in (starts, starts + moves))
    return float(np.mean(before != after)), float(np.mean(distances(X, starts) < np.linalg.norm(moves, axis=(1, 2))))


def logits(X: Array, thetas: Array) -> Array:
    """H of each θ (n, k) of a stack, (number of θ, m, k)."""
    return np.asarray(np.matmul(X, thetas))


def decided(X: Array, thetas: Array) -> NDArray[Any]:
    """The label that each θ of a stack gives each sample, (number of θ, m): the largest logit's, or whether a single one is > 0."""
    H = logits(X, thetas)
    return np.asarray(H[:, :, 0] > 0 if H.shape[2] == 1 else np.argmax(H, axis=2))


def distances(X: Array, thetas: Array) -> Array:
    """How far each θ of a stack is from the nearest that gives some sample another label: its margin over ‖x‖, or over √2‖x‖."""
    H = logits(X, thetas)
    if H.shape[2] == 1:
        margins = np.abs(H[:, :, 0])
    else:
        ordered = np.sort(H, axis=2)
        margins = (ordered[:, :, -1] - ordered[:, :, -2]) / math.sqrt(2)
    return np.asarray((margins / np.linalg.norm(X, axis=1)).min(axis=1))
