"""One gradient in six forms: kernel, autodiff, trace trick, differences, complex step; against fifty digits (notes 1 and 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from time import perf_counter
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from experiments.backends.base import Backend, OnArrays
from experiments.claims import gradients as claims
from experiments.hypotheses import OnTape
from experiments.tensors import mean_loss
from experiments.theory import exactly
from experiments.workload import Workload, material
from harness.contract import WHOLE_RUN, Bars, Count, Curve, Experiment, Figure, LeftOut, Row, Seed
from kernels import autodiff, stream
from kernels.autodiff import Tensor
from kernels.layouts import Layout, Rows
from kernels.losses import Loss, Target

Array = NDArray[Any]
Form = Literal["kernel", "autodiff", "trace", "one_sided", "central", "complex"]

EPS = float(np.finfo(np.float64).eps)
# Entries of the gradient that are compared, at random.
ENTRIES = 16
# Steps of differences, in half decades.
STEPS = 10.0 ** np.arange(-17, 0, 0.5)
TINY_STEP = 1e-30  # of a complex step: nothing is subtracted, so that it may be as small as it likes
TIMINGS = 3
NOTHING = 1e-25  # fifty digits' own rounding, in a difference over 10⁻²⁰
# Where the error falls with the step: from so far above the best one up to a step that is small beside what bends the loss.
ABOVE_THE_BEST, LARGEST = 30.0, 0.05


@dataclass(frozen=True)
class Gradients(Experiment):
    """∇f of the mean loss f(θ) = 1/m Σ ℓ(xᵢθ, yᵢ), relative to its largest entry, at random θ.

    `form`: `kernel`, the backend's own; `autodiff`, the loss written with tensors; `trace`, XᵀΔ/m by NumPy (for softmax Z − Y,
    spelt out); `one_sided` (f(θ+h) − f)/h and `central` (f(θ+h) − f(θ−h))/2h differences of the backend's f, at the best of many
    steps; `complex`, Im f(θ + ih)/h. What is true is worked out to 50 digits from the loss's definition, for some entries.
    `time/gradient_s`: of the whole gradient, the median of a few calls.
    """

    loss: Loss
    layout: Layout
    backend: Callable[..., Backend]
    form: Form = "kernel"
    samples: Count = 100
    features: Count = 30
    classes: Count = 5
    dtype: Literal["float32", "float64"] = "float64"
    seed: Seed = 0

    claims: ClassVar = (
        claims.SOFTMAX_DELTA, claims.SOFTMAX_BATCH, claims.AUTODIFF, claims.COMPLEX_STEP, claims.ORDER,
    )  # fmt: skip
    foremost: ClassVar[tuple[str, ...]] = ("model/error", "time/gradient_s")
    figures: ClassVar[tuple[Figure, ...]] = (
        Curve(
            "profile/error", "Too large a step leaves out what bends, too small a one subtracts like from like",
            x="profile/step", by=("form", "dtype"), panels="dtype", log_x=True, log_y=True,
            vertical={"√ε₆₄": EPS ** (1 / 2), "∛ε₆₄": EPS ** (1 / 3)},
        ),
        Bars("model/error", "form", "Error of a gradient, of its largest entry", by=("dtype",), log_y=True),
        Bars("time/gradient_s", "form", "Seconds for a whole gradient", by=("loss",), log_y=True),
    )  # fmt: skip

    def check(self) -> None:
        if self.loss.name not in exactly.FORMULAS:
            raise LeftOut(
                f"loss={self.loss.name}: has no formula in experiments/theory/exactly.py, to say what is true"
            )
        if self.classes < 2 and not self.loss.target.one_logit:
            raise ValueError(f"classes: {self.classes}; should be at least 2, of one class loss={self.loss.name} is 0")
        self.backend(self.loss, layout=self.layout).check("fused")
        self._tape.check()

    def run(self) -> Iterator[Row]:
        X, _, _ = self._problem
        entries = self._entries
        rows = np.asarray(X if self.layout.name == "rows" else X.T, np.float64)
        truth = _truth(self._in_rows, tuple(entries))
        largest = float(np.abs(truth).max())
        scale = largest if largest > NOTHING else 1.0  # softmax of one class has no gradient

        def error(found: Array) -> float:
            return float(np.abs(found - truth).max()) / scale

        metrics: dict[str, float] = {}
        if self.form in ("one_sided", "central"):
            errors = [error(self._differences(entries, h)) for h in STEPS]
            for step, (h, of_h) in enumerate(zip(STEPS, errors, strict=True)):
                yield Row(step, {"profile/step": h, "profile/error": of_h})
            best = float(STEPS[int(np.argmin(errors))])
            metrics |= {"model/error": min(errors), "model/best_step": best, "model/order": _order(errors, best)}
        elif self.form == "complex":
            for step, h in enumerate(STEPS):
                yield Row(step, {"profile/step": h, "profile/error": error(self._complex(entries, h))})
            metrics["model/error"] = error(self._complex(entries, TINY_STEP))
        else:
            whole = np.asarray(self._whole(), np.float64)
            metrics["model/error"] = error(np.array([whole[entry] for entry in entries]))
        if self.form == "autodiff" and self.dtype == "float64":
            metrics["model/check_error"] = self._checked()
        if self.loss.target is Target.CLASS and self.form in ("kernel", "autodiff", "complex"):
            metrics["model/delta_error"] = self._delta_error(rows)
        yield Row(WHOLE_RUN, {**metrics, "time/gradient_s": self._seconds(metrics.get("model/best_step", TINY_STEP))})

    @property
    def _classes(self) -> int:
        return 1 if self.loss.target.one_logit else self.classes

    @property
    def _tape(self) -> OnTape:
        return OnTape(self.loss, self.layout, self.dtype, (self.features, self._classes))

    @property
    def _in_rows(self) -> Workload:
        """The problem, whose numbers are the same in both layouts."""
        n, k = self.features, self._classes
        return Workload(self.loss, Rows(), self.samples, n, k, None, "sequential", self.dtype, self.seed)

    @cached_property
    def _problem(self) -> tuple[Array, Array, Array]:
        X, y, theta, _, _ = material(replace(self._in_rows, layout=self.layout))
        return X, y, theta

    @cached_property
    def _passes(self) -> OnArrays:
        return OnArrays(self.backend(self.loss, layout=self.layout), self.dtype)

    @property
    def _entries(self) -> list[tuple[int, int]]:
        every = list(np.ndindex(self.features, self._classes))
        chosen = stream(self.seed, "entries").permutation(len(every))[:ENTRIES]
        return [(every[i][0], every[i][1]) for i in chosen]

    def _whole(self) -> Array:
        """The gradient (n, k), by a form that finds all of it at once."""
        X, y, theta = self._problem
        if self.form == "kernel":
            return self._passes.value_and_grad(X, y, theta)[1]
        if self.form == "autodiff":
            return self._tape.value_and_grad(X, y, theta)[1]
        return closed_form(self.loss, X if self.layout.name == "rows" else X.T, y, theta)

    def _differences(self, entries: list[tuple[int, int]], h: float) -> Array:
        """One-sided or central differences of the backend's mean loss, each by the step that θ really made."""
        X, y, theta = self._problem
        central = self.form == "central"
        here = np.nan if central else self._passes.value_and_grad(X, y, theta)[0]
        found = []
        for entry in entries:
            up, down = theta.copy(), theta.copy()
            up[entry] += h
            above, below = self._passes.value_and_grad(X, y, up)[0], here
            if central:
                down[entry] -= h
                below = self._passes.value_and_grad(X, y, down)[0]
            made = float(up[entry]) - float(down[entry])
            found.append((above - below) / made if made else 0.0)
        return np.array(found)

    def _complex(self, entries: list[tuple[int, int]], h: float) -> Array:
        """Im f(θ + ih)/h (Squire and Trapp 1998, doi:10.1137/S003614459631241X), of the loss written with tensors."""
        X, y, theta = self._problem
        found = []
        for entry in entries:
            moved = theta.astype(np.result_type(theta, 1j * theta))
            moved[entry] += 1j * h
            H = Tensor.of(self._tape.forward(X, moved))
            value = mean_loss(self.loss, H.T if self.layout.name == "columns" else H, y)
            found.append(float(value.array.imag) / h)
        return np.array(found)

    def _checked(self) -> float:
        """The worst entry by `check_gradient`, as the notes tell: check your answers numerically."""
        X, y, theta = self._problem

        def f(weights: Tensor) -> Tensor:
            H = Tensor.of(X.T) @ weights if self.layout.name == "columns" else Tensor.of(X) @ weights
            return mean_loss(self.loss, H, y)

        return autodiff.check_gradient(f, theta, rtol=1.0).worst  # how wrong is measured here, not whether

    def _delta_error(self, rows: NDArray[np.float64]) -> float:
        """max |δ − (softmax(h) − onehot(y))| of this form's δ, at the logits as they are in the run's dtype."""
        _, y, theta = self._problem
        H = np.ascontiguousarray((rows @ theta.astype(np.float64)).astype(self.dtype))
        if self.form == "kernel":
            deltas = self.loss.deltas(H, y)
        elif self.form == "autodiff":
            (grad,) = autodiff.grad(
                autodiff.functional.cross_entropy(t := Tensor.of(H).requires_grad_(), y, reduction="sum"), t
            )
            assert grad is not None
            deltas = grad.array
        else:
            steps = [H + 1j * TINY_STEP * unit for unit in np.eye(H.shape[1], dtype=H.dtype)]
            columns = [
                autodiff.functional.cross_entropy(Tensor.of(step), y, reduction="none").array.imag for step in steps
            ]
            deltas = np.stack(columns, axis=1) / TINY_STEP
        return float(np.abs(deltas - exactly.softmax_deltas(H, y)).max())

    def _seconds(self, step: float) -> float:
        """Of a whole gradient."""
        every = [(i, j) for i, j in np.ndindex(self.features, self._classes)]
        calls: dict[str, Callable[[], Array]] = {
            "one_sided": lambda: self._differences(every, step),
            "central": lambda: self._differences(every, step),
            "complex": lambda: self._complex(every, step),
        }
        call = calls.get(self.form, self._whole)
        seconds = []
        for _ in range(TIMINGS):
            start = perf_counter()
            call()
            seconds.append(perf_counter() - start)
        return float(np.median(seconds))


@lru_cache(maxsize=8)
def _truth(work: Workload, entries: tuple[tuple[int, int], ...]) -> NDArray[np.float64]:
    """Those entries of the gradient, for all forms of it that follow one another in a sweep."""
    X, y, theta, _, _ = material(work)
    return exactly.gradient(work.loss, X.astype(np.float64), y, theta.astype(np.float64), entries)


def _order(errors: list[float], best: float) -> float:
    """The slope of log error against log step, where the error comes from the step; NaN where there is no such part."""
    large = (ABOVE_THE_BEST * best <= STEPS) & (STEPS <= LARGEST)
    if large.sum() < 2:
        return float("nan")
    return float(np.polyfit(np.log(STEPS[large]), np.log(np.array(errors)[large]), 1)[0])


def closed_form(loss: Loss, X: Array, y: Array, theta: Array) -> Array:
    """XᵀΔ/m with samples in rows (notes 1, section 8); for softmax Δ = Z − Y, spelt out."""
    H = X @ theta
    if loss.target is Target.CLASS:
        Z = np.exp(H - H.max(axis=1, keepdims=True))
        Z /= Z.sum(axis=1, keepdims=True)
        Y = np.eye(H.shape[1], dtype=H.dtype)[y]
        delta = Z - Y
    else:
        one = loss.target.one_logit
        delta = loss.deltas(H[:, 0] if one else H, y).reshape(H.shape).astype(H.dtype)
    return np.asarray(X.T @ delta / len(X))
