"""Is the batch gradient Xᵀ(Z − Y)? The kernels against the notes' formula and against differences (notes 7.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.backends.base import Backend, OnArrays
from experiments.workload import Workload, material
from harness.contract import WHOLE_RUN, Bars, Claim, Count, Evidence, Experiment, Figure, Row, Seed, as_table, counted
from kernels import stream
from kernels.layouts import Layout
from kernels.losses import Loss, Target

# What rounding allows: of the formula in the kernel's float type, and of a central difference in float64.
FORMULA = {"float32": 1e-5, "float64": 1e-12}
DIFFERENCE = 1e-7
STEP = 1e-5
DIRECTIONS = 8


def _softmax_batch(runs: pd.DataFrame, history: pd.DataFrame) -> Evidence | None:
    softmax = runs[runs["loss"] == "softmax"]
    if softmax.empty:
        return None
    errors = softmax.reindex(columns=["layout", "dtype", "model/formula_error", "model/difference_error"])
    formula = errors["model/formula_error"] / errors["dtype"].map(FORMULA)
    difference = errors["model/difference_error"].dropna() / DIFFERENCE  # there is none in float32
    return Evidence(
        quantity="error of the gradient against Xᵀ(Z − Y)/m, and against central differences ÷ what rounding allows",
        predicted=0.0,
        samples=[*formula, *difference],
        accept=(0.0, 1.0),
        conditions=f"{counted(len(softmax), 'run')}; Xᵀ(Z − Y) in float64 NumPy, differences along {DIRECTIONS} random directions",
        details=as_table(errors.groupby(["layout", "dtype"]).max().reset_index(), ".1e"),
    )


@dataclass(frozen=True)
class Gradients(Experiment):
    """The kernels' gradient of the mean loss against the closed form, and in float64 against central differences.

    The closed form is written as in the notes, with NumPy in float64: Xᵀ(Z − Y)/m with Z = softmax(Xθ) for softmax,
    Xᵀ Δ/m for the rest. Errors are relative to the gradient's norm.
    """

    loss: Loss
    layout: Layout
    backend: Callable[..., Backend]
    samples: Count = 500
    features: Count = 30
    classes: Count = 5
    dtype: Literal["float32", "float64"] = "float64"
    seed: Seed = 0

    claims: ClassVar = (
        Claim("softmax-batch", "the batch gradient is Xᵀ(Z − Y)", "notes 1, section 7.3", _softmax_batch),
    )
    figures: ClassVar[tuple[Figure, ...]] = (
        Bars("model/formula_error", "loss", "Error of the gradient against XᵀΔ/m", log_y=True),
    )

    def check(self) -> None:
        self.backend(self.loss, layout=self.layout).check("fused")

    def run(self) -> Iterator[Row]:
        classes = 1 if self.loss.target.one_logit else self.classes
        X, y, theta, _, _ = material(
            Workload(
                self.loss, self.layout, self.samples, self.features, classes, None, "sequential", self.dtype, self.seed
            )
        )
        f = OnArrays(self.backend(self.loss, layout=self.layout), self.dtype)
        _, grad = f.value_and_grad(X, y, theta)
        rows = np.asarray(X if self.layout.name == "rows" else X.T, np.float64)
        expected = closed_form(self.loss, rows, y, theta.astype(np.float64))
        metrics = {"model/formula_error": float(np.linalg.norm(grad - expected) / np.linalg.norm(expected))}
        if self.dtype == "float64":
            metrics["model/difference_error"] = self._against_differences(f, X, y, theta, grad)
        yield Row(WHOLE_RUN, metrics)

    def _against_differences(
        self, f: OnArrays, X: NDArray[Any], y: NDArray[Any], theta: NDArray[Any], grad: NDArray[Any]
    ) -> float:
        rng = stream(self.seed, "directions")
        worst = 0.0
        for _ in range(DIRECTIONS):
            direction = rng.standard_normal(theta.shape)
            direction /= np.linalg.norm(direction)
            up, down = (f.value_and_grad(X, y, theta + sign * STEP * direction)[0] for sign in (1, -1))
            worst = max(worst, abs((up - down) / (2 * STEP) - float(np.sum(grad * direction))))
        return worst / float(np.linalg.norm(grad))


def closed_form(loss: Loss, X: NDArray[Any], y: NDArray[Any], theta: NDArray[Any]) -> NDArray[Any]:
    """Xᵀ Δ/m with samples in rows; for softmax Δ = Z − Y, spelt out."""
    H = X @ theta
    if loss.target is Target.CLASS:
        Z = np.exp(H - H.max(axis=1, keepdims=True))
        Z /= Z.sum(axis=1, keepdims=True)
        Y = np.eye(H.shape[1])[y]
        delta = Z - Y
    else:
        delta = loss.deltas(H, y)
    return np.asarray(X.T @ delta / len(X))
