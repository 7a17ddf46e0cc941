"""The public door: mean loss of a linear hypothesis over samples, its gradient, and epochs of stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kernels import check, layouts, losses, passes
from kernels.layouts import Layout
from kernels.losses import Loss


class Objective:
    """f(θ) = 1/m Σᵢ ℓ(hᵢ, yᵢ) with H = Xθ, for one loss and one layout (notes: 3rd element, 7.3).

    `loss` is a name (`squared absolute huber student_t logistic softmax multinomial`) or an object such as
    `losses.Huber(delta=1.345)`; `layout` is `"rows"` (X (m, n), H (m, k)) or `"columns"` (X (n, m), H (k, m)), or an object.
    θ is (n, k), or (n,) for one output, in both. X and θ are float32 or float64, both the same.
    y: (m,) numbers for squared, absolute, huber, student_t; 0/1 for logistic; (m,) integer classes 0..k−1 for softmax;
    (m, k) counts for multinomial, in both layouts.

    `order`, where it is taken, lists the samples to visit (integers, repeats allowed); None means all, in turn.
    X in C order is used as it is; any other memory order is copied first. Losses are summed in float64. Results are
    the same to rounding in both layouts, and bitwise the same on any number of threads.

    Bad input raises ValueError: shapes, dtypes, labels out of range, negative counts, NaN or infinite data, an empty
    batch, a step size that is not above 0. A result that overflows on finite data comes back as inf or NaN.
    """

    def __init__(self, loss: str | Loss, layout: str | Layout = "rows") -> None:
        self.loss = losses.named(loss) if isinstance(loss, str) else loss
        self.layout = layouts.named(layout) if isinstance(layout, str) else layout
        if not isinstance(self.loss, Loss):
            raise ValueError(f"loss: {loss!r}; should be a name or a Loss object")
        if not isinstance(self.layout, Layout):
            raise ValueError(f"layout: {layout!r}; should be a name or a Layout object")

    def __repr__(self) -> str:
        return f"Objective({self.loss!r}, layout={self.layout.name!r})"

    def forward(self, X: ArrayLike, theta: ArrayLike, order: ArrayLike | None = None) -> NDArray[Any]:
        """H = Xθ for the samples in `order`: (m, k), columns: (k, m); (m,) for θ (n,)."""
        X, theta, visits, samples = self._inputs(X, theta, order)
        width = 1 if theta.ndim == 1 else theta.shape[1]
        H = np.empty(self.layout.shape(samples, width), X.dtype)
        passes.forward(type(self.layout), X.dtype)(X, visits, _outputs_first(theta), H, samples)
        if not np.isfinite(H).all():
            check.blame(X=X, theta=theta)
        return H.reshape(samples) if theta.ndim == 1 else H

    def gradient(self, X: ArrayLike, delta: ArrayLike, order: ArrayLike | None = None) -> NDArray[Any]:
        """XᵀΔ, the sum over samples of xᵢδᵢᵀ: Δ shaped like H, (m, k), columns: (k, m), or (m,) → (n, k) or (n,)."""
        X = np.ascontiguousarray(check.floats("X", X, ndim=(2,)))
        given = check.floats("delta", delta, ndim=(1, 2), dtype=X.dtype)
        visits = check.order(order, self.layout.samples(X.shape))
        samples = visits.size or self.layout.samples(X.shape)
        n, k = self.layout.width(X.shape), self.layout.width(given.shape)
        if self.layout.samples(given.shape) != samples:
            should = self.layout.shape(samples, k) if given.ndim == 2 else (samples,)
            raise ValueError(f"delta: shape {given.shape}; should be {should}, for {samples} samples")
        deltas = np.ascontiguousarray(given).reshape(self.layout.shape(samples, k))
        G = np.empty((passes.partials(samples, n, k), k, n), X.dtype)
        passes.gradient(type(self.layout), X.dtype)(X, visits, deltas, G, samples)
        if not np.isfinite(G[0]).all():
            check.blame(X=X, delta=deltas)
        return _like(given.ndim, G[0])

    def value_and_grad(
        self, X: ArrayLike, y: ArrayLike, theta: ArrayLike, order: ArrayLike | None = None
    ) -> tuple[float, NDArray[Any]]:
        """f(θ) and ∇f(θ) = Xᵀ Δ / m, a mean over the samples in `order`, from one pass over X; the gradient is shaped like θ."""
        X, theta, visits, samples = self._inputs(X, theta, order)
        value, _, G = self._descend(X, y, theta, visits, samples, batch=samples, step=0.0)
        return value, _like(theta.ndim, G)

    def sgd_epoch(
        self,
        X: ArrayLike,
        y: ArrayLike,
        theta: NDArray[Any],
        batch_size: int,
        step_size: float,
        order: ArrayLike | None = None,
    ) -> float:
        """θ ← θ − step_size · (mean gradient of the batch), for each batch of `batch_size` samples in `order`.

        Changes `theta` in place, and returns the mean of the losses met on the way (each taken before its step). The last
        batch is the smaller one where `batch_size` does not divide the samples. If the data turn out to be bad,
        ValueError is raised and θ stays as it was; if θ diverges, it holds the inf or NaN it came to.
        """
        if not isinstance(theta, np.ndarray) or not theta.flags.writeable:
            raise ValueError(f"theta: a {type(theta).__name__}; should be a writable array, since it changes in place")
        X, _, visits, samples = self._inputs(X, theta, order)
        batch = min(check.whole("batch_size", batch_size), samples)
        step = check.finite_above_zero("step_size", step_size)
        mean, changed, _ = self._descend(X, y, theta, visits, samples, batch, step)
        theta[...] = _like(theta.ndim, changed)
        return mean

    def _inputs(
        self, X: ArrayLike, theta: ArrayLike, order: ArrayLike | None
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int64], int]:
        """X in C order, θ, the order of visit, and how many samples that is."""
        data = np.ascontiguousarray(check.floats("X", X, ndim=(2,)))
        weights = check.floats("theta", theta, ndim=(1, 2), dtype=data.dtype)
        n = self.layout.width(data.shape)
        if weights.shape[0] != n:
            should = (n,) if weights.ndim == 1 else (n, weights.shape[1])
            where = f"X {data.shape} in layout {self.layout.name} has {n} features"
            raise ValueError(f"theta: shape {weights.shape}; should be {should}, since {where}")
        samples = self.layout.samples(data.shape)
        visits = check.order(order, samples)
        return data, weights, visits, visits.size or samples

    def _descend(
        self,
        X: NDArray[Any],
        y: ArrayLike,
        theta: NDArray[Any],
        visits: NDArray[np.int64],
        samples: int,
        batch: int,
        step: float,
    ) -> tuple[float, NDArray[Any], NDArray[Any]]:
        """The mean loss met, θ as (k, n) after the last step, and the last batch's mean gradient as (k, n)."""
        weights = _outputs_first(theta)
        k, n = weights.shape
        check.outputs("theta", self.loss.name, self.loss.target, k)
        labels = check.targets(y, self.loss.target, self.layout.samples(X.shape), k, X.dtype)
        parts = passes.partials(batch, n, k)
        G, sums = np.empty((parts, k, n), X.dtype), np.empty(parts)
        mean = passes.descend(type(self.loss), type(self.layout), X.dtype)(
            X, labels, visits, weights, self.loss.constants(X.dtype), samples, batch, step, G, sums
        )
        if not (np.isfinite(mean) and np.isfinite(G[0]).all() and np.isfinite(weights).all()):
            check.blame(X=X, y=labels, theta=theta)
        return mean, weights, G[0]


def _outputs_first(theta: NDArray[Any]) -> NDArray[Any]:
    """A copy of θ (n, k) or (n,) as (k, n) in C order, the kernels' own form."""
    return np.array(theta.reshape(len(theta), -1).T, order="C")


def _like(ndim: int, outputs_first: NDArray[Any]) -> NDArray[Any]:
    """(k, n) back to the caller's (n, k), or (n,) for `ndim` 1."""
    return outputs_first[0].copy() if ndim == 1 else np.ascontiguousarray(outputs_first.T)
