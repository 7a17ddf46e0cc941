"""The public door: mean loss of a linear hypothesis over samples, its gradient, and epochs of stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kernels import check, epochs, layouts, losses, passes, sliced, wide
from kernels.arrays import dense, in_rows
from kernels.layouts import Layout
from kernels.losses import Loss
from kernels.signatures import Kernel

_Factory = Callable[..., Kernel]
_Ready = tuple[Kernel, Loss, NDArray[Any], Layout, NDArray[Any]]


class Objective:
    """f(θ) = 1/m Σᵢ ℓ(hᵢ, yᵢ) with H = Xθ, for one loss and one layout (notes: 3rd element, 7.3).

    `loss` is a name (`squared absolute huber student_t logistic softmax multinomial`) or an object such as
    `losses.Huber(delta=1.345)`; `layout` is `"rows"` (X (m, n), H (m, k)) or `"columns"` (X (n, m), H (k, m)), or an object.
    θ is (n, k), or (n,) for one output, in both. X and θ are float32 or float64, both the same.
    y: (m,) numbers for squared, absolute, huber, student_t; 0/1 for logistic; (m,) integer classes 0..k−1 for softmax;
    (m, k) counts for multinomial, in both layouts.

    `order`, where it is taken, lists the samples to visit (integers, repeats allowed); None means all, in turn.
    X whose rows are contiguous is used as it is, also where they are apart (a leading dimension of more than their
    length); any other memory order is copied first. Losses are summed in float64. Results are
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
        # By factory and dtype, once it was asked for: the kernel, the loss and its constants, the layout, a y of no samples.
        self._ready: dict[tuple[_Factory, np.dtype[Any]], _Ready] = {}

    def __repr__(self) -> str:
        return f"Objective({self.loss!r}, layout={self.layout.name!r})"

    def forward(self, X: ArrayLike, theta: ArrayLike, order: ArrayLike | None = None) -> NDArray[Any]:
        """H = Xθ for the samples in `order`: (m, k), columns: (k, m); (m,) for θ (n,)."""
        X, weights, visits = self._inputs(X, theta, order)
        samples = visits.size or self.layout.samples(X.shape)
        H = np.empty(self.layout.shape(samples, weights.shape[1]), X.dtype)
        if not self.road(samples, weights).forward(type(self.layout), X.dtype)(dense(X), visits, weights, H):
            check.blame(X=X, theta=np.asarray(theta))
        return H.reshape(samples) if np.ndim(theta) == 1 else H

    def gradient(self, X: ArrayLike, delta: ArrayLike, order: ArrayLike | None = None) -> NDArray[Any]:
        """XᵀΔ, the sum over samples of xᵢδᵢᵀ: Δ shaped like H, (m, k), columns: (k, m), or (m,) → (n, k) or (n,)."""
        X = in_rows(check.floats("X", X, ndim=(2,)))
        given = check.floats("delta", delta, ndim=(1, 2), dtype=X.dtype)
        visits = check.order(order, self.layout.samples(X.shape))
        samples = visits.size or self.layout.samples(X.shape)
        n, k = self.layout.width(X.shape), self.layout.width(given.shape)
        if self.layout.samples(given.shape) != samples:
            should = self.layout.shape(samples, k) if given.ndim == 2 else (samples,)
            raise ValueError(f"delta: shape {given.shape}; should be {should}, for {samples} samples")
        deltas = np.ascontiguousarray(given).reshape(self.layout.shape(samples, k))
        grad = np.empty((n, k), X.dtype)
        if not self.road(samples, grad).gradient(type(self.layout), X.dtype)(dense(X), visits, deltas, grad):
            check.blame(X=X, delta=deltas)
        return grad.reshape(n) if given.ndim == 1 else grad

    def value_and_grad(
        self, X: ArrayLike, y: ArrayLike, theta: ArrayLike, order: ArrayLike | None = None
    ) -> tuple[float, NDArray[Any]]:
        """f(θ) and ∇f(θ) = Xᵀ Δ / m, a mean over the samples in `order`, from one pass over X; the gradient is shaped like θ."""
        found = self._at_once(X, y, theta) if order is None else None
        if found is not None:
            return found
        X, weights, visits = self._inputs(X, theta, order)
        targets = self._targets(X, y, weights)
        grad = np.empty_like(weights)
        samples = visits.size or self.layout.samples(X.shape)
        visits = self.layout.visiting(visits, samples, self.layout.samples(X.shape))
        factory = self.fused_for(samples, weights, visits)
        kernel = factory(type(self.loss), type(self.layout), X.dtype)
        constants = self.loss.constants(X.dtype)
        value, fine = kernel(dense(X), targets, visits, weights, constants, grad)
        if not fine:
            self._blame(X, y, targets, theta)
        if factory is not wide.fused:
            self._ready[factory, X.dtype] = kernel, self.loss, constants, self.layout, targets[:0]
        return value, grad.reshape(np.shape(theta))

    def _at_once(self, X: ArrayLike, y: ArrayLike, theta: ArrayLike) -> tuple[float, NDArray[Any]] | None:
        """`value_and_grad` of arrays just as the kernel takes them; None where they are not, or where a check is due.

        On a small problem the checks of the other road would take several times as long as the answer.
        """
        if not (type(X) is type(y) is type(theta) is np.ndarray) or y.ndim == 0 or theta.ndim not in (1, 2):
            return None
        weights = theta if theta.ndim == 2 else theta.reshape(-1, 1)
        ready = self._ready.get((self.fused_for(len(y), weights, check.NO_ORDER), X.dtype))
        if ready is None:
            return None
        kernel, loss, constants, layout, like = ready
        if loss is not self.loss or layout is not self.layout or theta.dtype != X.dtype:
            return None
        if y.dtype != like.dtype or y.ndim != like.ndim or X.shape != layout.shape(len(y), len(weights)):
            return None
        grad = np.empty(weights.shape, theta.dtype)
        try:
            value, fine = kernel(X, y, check.NO_ORDER, weights, constants, grad)
        except TypeError:  # an order in memory that it was not compiled for
            return None
        if not fine:
            return None
        return value, grad if theta.ndim == 2 else grad.reshape(-1)

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
            given = "read-only" if isinstance(theta, np.ndarray) else f"a {type(theta).__name__}"
            raise ValueError(f"theta: {given}; should be a writable array, since it changes in place")
        X, weights, visits = self._inputs(X, theta, order)
        samples = self.layout.samples(X.shape)
        batch = min(check.whole("batch_size", batch_size), visits.size or samples)
        step = check.finite_above_zero("step_size", step_size)
        targets = self._targets(X, y, weights)
        changed, visits = weights.copy(), self.layout.visiting(visits, batch, samples)
        epoch = self.epoch_for(batch, changed, visits)(type(self.loss), type(self.layout), X.dtype)
        mean: float
        mean, fine = epoch(dense(X), targets, visits, changed, self.loss.constants(X.dtype), batch, step)
        if not fine:
            self._blame(X, y, targets, theta)
        theta[...] = changed.reshape(theta.shape)
        return mean

    def road(self, samples: int, theta: NDArray[Any]) -> ModuleType:
        """The module with the kernels for the logits, and for the gradient, of so many samples."""
        return wide if wide.pays(samples, theta) else passes

    def fused_for(self, samples: int, theta: NDArray[Any], visits: NDArray[np.int64]) -> _Factory:
        """The factory of the kernel for value and gradient of so many samples."""
        if samples == 1:
            return passes.fused_of_one
        if wide.pays(samples, theta):
            return wide.fused
        return sliced.fused if self._in_slices(sliced.pays, samples, theta, visits) else passes.fused

    def epoch_for(self, batch: int, theta: NDArray[Any], visits: NDArray[np.int64]) -> _Factory:
        """The factory of the kernel for epochs with batches of that size."""
        if batch == 1:
            return epochs.epoch_singly
        if wide.pays(batch, theta):
            return wide.epoch
        return sliced.epoch if self._in_slices(sliced.fits, batch, theta, visits) else epochs.epoch

    def _in_slices(
        self, good: Callable[..., bool], samples: int, theta: NDArray[Any], visits: NDArray[np.int64]
    ) -> bool:
        """Whether slices of features are good for so many samples. Those that are copied first are best copied whole."""
        height, _ = type(self.layout).room_for(1, 1, visits.size == 0)
        return height == 0 and good(samples, *theta.shape, theta.itemsize)

    def _targets(self, X: NDArray[Any], y: ArrayLike, theta: NDArray[Any]) -> NDArray[Any]:
        check.outputs("theta", self.loss.name, self.loss.target, theta.shape[1])
        return check.targets(y, self.loss.target, self.layout.samples(X.shape), theta.shape[1], X.dtype)

    def _blame(self, X: NDArray[Any], y: ArrayLike, targets: NDArray[Any], theta: ArrayLike) -> None:
        """Raise ValueError for what is wrong with the values, if anything is."""
        check.labels(y, targets, self.loss.target, 1 if np.ndim(theta) == 1 else np.shape(theta)[1])
        check.blame(X=X, y=targets, theta=np.asarray(theta))

    def _inputs(
        self, X: ArrayLike, theta: ArrayLike, order: ArrayLike | None
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]:
        """X and θ (n, k) in C order, and the order of visit."""
        data = in_rows(check.floats("X", X, ndim=(2,)))
        weights = check.floats("theta", theta, ndim=(1, 2), dtype=data.dtype)
        n = self.layout.width(data.shape)
        if weights.shape[0] != n:
            should = (n,) if weights.ndim == 1 else (n, weights.shape[1])
            where = f"X {data.shape} in layout {self.layout.name} has {n} features"
            raise ValueError(f"theta: shape {weights.shape}; should be {should}, since {where}")
        visits = check.order(order, self.layout.samples(data.shape))
        return data, np.ascontiguousarray(weights.reshape(n, -1)), visits
