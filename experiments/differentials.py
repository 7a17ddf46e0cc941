"""Are the identities of matrix differentials right? By random numbers, by symbols, in both conventions (notes 1.8, notes 2)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from experiments.claims import differentials as claims
from experiments.problem import own_noise
from experiments.theory.algebras import UNIT
from experiments.theory.algebras.base import commuting, stacked
from experiments.theory.equations import Convention, numeric, symbolic
from experiments.theory.identities import Identity, equations
from harness.contract import WHOLE_RUN, Bars, Count, Experiment, Figure, Row, Seed
from kernels import Objective, layouts, losses, stream
from kernels.conventions import Shapes
from kernels.losses import Loss

Array = NDArray[Any]

LARGEST = 7  # length of an axis
# Shapes of which symbols prove an identity: none square, with an axis of 1 in each place but the first.
PROVEN = (
    {"m": 2, "n": 3, "k": 2, "p": 1},
    {"m": 3, "n": 1, "k": 2, "p": 3},
    {"m": 2, "n": 2, "k": 1, "p": 2},
    {"m": 1, "n": 2, "k": 3, "p": 2},
)
SQUARE = ({"m": 2, "n": 2, "k": 2, "p": 2},)
PROBLEMS = 20  # for each loss, random


@dataclass(frozen=True)
class Differentials(Experiment):
    """Are both sides of the identity's equations the same? With samples in rows, or in columns, where X̃ = Xᵀ (n, m).

    By numbers: `trials` standard normal problems of random shapes, 1 to 7 along each axis; differentials by a complex step.
    `model/numeric_error`: the largest distance of two sides, as a share of their formula of absolute values (|A||B| for AB);
    `model/of_bound`: as a share of what rounding allows, entry by entry. By symbols, for a few small shapes:
    `model/symbolic_residual`, how many of `model/symbolic_entries` entries of left − right are not 0 for all matrices.

    `formula=slip`: with what is easily written instead, on square matrices, where its shapes fit; `model/numeric_error` is then
    the smallest one, `model/found_by_numbers` the share of trials that are beyond what rounding allows, and
    `model/found_by_symbols` that of equations. Each equation's own numbers: `profile/…`, the step is the equation's place.

    `identity=template`: also XᵀΔ, `identity=jacobian`: (∂vec H/∂vec θ)ᵀ vec Δ, against the kernels' gradient of every loss:
    `model/kernel_error`, of the largest entry, and `model/kernel_of_bound`.
    """

    identity: Identity = "differential"
    convention: Convention = "rows"
    formula: Literal["right", "slip"] = "right"
    trials: Count = 200
    seed: Seed = 0

    claims: ClassVar = (claims.TRACE, claims.JACOBIAN, claims.SLIPS)
    foremost: ClassVar[tuple[str, ...]] = ("model/of_bound", "model/symbolic_residual", "model/symbolic_entries")
    figures: ClassVar[tuple[Figure, ...]] = (
        Bars(
            "model/numeric_error", "identity", "How far apart the sides of an identity are: by rounding alone, but for a slip",
            by=("formula", "convention"), log_y=True,
        ),
    )  # fmt: skip

    def warm_up(self) -> None:
        if self._meets_kernels:
            for name in losses.ALL:
                list(self._against_kernel(losses.named(name)))

    def run(self) -> Iterator[Row]:
        slip = self.formula == "slip"
        pick = np.min if slip else np.max  # a NaN is either
        errors, shares, residual, entries, found = [], [], 0, 0, 0
        every = equations(self.identity, self.convention)
        for place, equation in enumerate(every):
            rng = stream(self.seed, "differentials", self.identity, str(place))
            gaps = [numeric(equation, self.convention, _sizes(rng, slip), rng, slip) for _ in range(self.trials)]
            proofs = [symbolic(equation, self.convention, sizes, slip) for sizes in (SQUARE if slip else PROVEN)]
            wrong, decided = (sum(counts) for counts in zip(*proofs, strict=True))
            errors.append(pick([gap.error for gap in gaps]))
            shares.append([gap.of_bound for gap in gaps])
            residual, entries, found = residual + wrong, entries + decided, found + (wrong > 0)
            yield Row(
                place,
                {
                    "profile/numeric_error": float(errors[-1]),
                    "profile/of_bound": float(pick(shares[-1])),
                    "profile/symbolic_residual": float(wrong),
                    "profile/symbolic_entries": float(decided),
                },
            )
        metrics = {
            "model/numeric_error": float(pick(errors)),
            "model/of_bound": float(pick(shares)),
            "model/symbolic_residual": float(residual),
            "model/symbolic_entries": float(entries),
        }
        if slip:
            metrics["model/found_by_numbers"] = float(np.mean(np.array(shares) > 1))
            metrics["model/found_by_symbols"] = found / len(every)
        elif self._meets_kernels:
            pairs = [pair for name in losses.ALL for pair in self._against_kernel(losses.named(name))]
            metrics["model/kernel_error"], metrics["model/kernel_of_bound"] = np.max(pairs, axis=0).tolist()
        yield Row(WHOLE_RUN, metrics)

    @property
    def _meets_kernels(self) -> bool:
        return self.identity in ("template", "jacobian") and self.formula == "right"

    def _against_kernel(self, loss: Loss) -> Iterator[tuple[float, float]]:
        """How far the gradient by this identity is from the kernels', of the largest entry, and of what rounding allows.

        Δ is the loss's own, at logits by NumPy: they differ from the kernels' by rounding, and δ by its slope times that. Where δ
        jumps it does not change in between.
        """
        f = Objective(loss, self.convention)
        layout = layouts.named(self.convention)
        rng = stream(self.seed, "differentials", "kernels", loss.name)
        for _ in range(PROBLEMS):
            m, n, k = (int(size) for size in rng.integers([2, 1, 1], LARGEST + 1))  # one sample has kernels of its own
            k = 1 if loss.target.one_logit else k
            X, theta = rng.standard_normal((m, n)), rng.standard_normal((n, k))
            H = X @ theta
            logits = H[:, 0] if loss.target.one_logit else H
            y = own_noise(loss).sample(logits, rng)
            delta = loss.deltas(logits, y).reshape(m, k)
            gradient = self._gradient(layout.arrange(X), theta, layout.arrange(delta))
            kernel = m * f.value_and_grad(layout.arrange(X), y, theta)[1]
            slope = loss.curvature if math.isfinite(loss.curvature) else 0.0
            met = np.hstack([np.abs(X) @ np.abs(theta), np.abs(y).reshape(m, -1)]).sum(axis=1, keepdims=True)
            size = np.abs(X).T @ (np.abs(delta) + slope * met)
            apart, roundings = np.abs(gradient - kernel), 4 * (m + n) + 32
            largest = float(np.abs(kernel).max())
            yield float(apart.max()) / (largest or 1.0), float(np.max(apart / (roundings * UNIT * size)))

    def _gradient(self, X: Array, theta: Array, delta: Array) -> Array:
        """XᵀΔ, or X̃Δ̃ᵀ; by Jacobians (∂vec H/∂vec θ)ᵀ vec Δ, or the same of H̃ = θᵀX̃."""
        in_rows = self.convention == "rows"
        if self.identity == "template":
            s = Shapes(self.convention, X=X, theta=theta, delta=delta)
            found = s.X.T @ s.delta if in_rows else s.X @ s.delta.T
            assert found.array is not None
            return found.array
        n, k = theta.shape
        jacobian = np.kron(np.eye(k), X) if in_rows else np.kron(X.T, np.eye(k)) @ commuting(n, k)
        return np.asarray((jacobian.T @ stacked(delta)).reshape((n, k), order="F"))


def _sizes(rng: np.random.Generator, square: bool) -> dict[str, int]:
    """Lengths of axes, 1 to 7 each; all the same, and at least 2, for what fits nowhere else."""
    if square:
        return dict.fromkeys("mnkp", int(rng.integers(2, LARGEST + 1)))
    return {axis: int(rng.integers(1, LARGEST + 1)) for axis in "mnkp"}
