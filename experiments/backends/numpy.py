"""NumPy: both products by its BLAS, in place wherever NumPy can; tuned, in blocks that are still in cache at the second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from experiments.backends.base import Backend, turned
from kernels.layouts import Layout
from kernels.losses import Huber, Loss, StudentT

Array = NDArray[Any]


def squared(loss: Loss, H: Array, y: Array) -> Any:
    H -= y
    return 0.5 * np.vdot(H, H)


def absolute(loss: Loss, H: Array, y: Array) -> Any:
    H -= y
    total = np.abs(H).sum()
    np.sign(H, out=H)
    return total


def huber(loss: Loss, H: Array, y: Array) -> Any:
    """With δ = r clipped to ±bend: ℓ = δ(r − ½δ), inside and outside."""
    assert isinstance(loss, Huber)
    H -= y
    residuals = H.copy()
    np.clip(H, -loss.delta, loss.delta, out=H)
    residuals -= 0.5 * H
    return np.vdot(H, residuals)


def student_t(loss: Loss, H: Array, y: Array) -> Any:
    assert isinstance(loss, StudentT)
    width, _, exponent, constant = loss.parameters
    H -= y
    H /= width
    squares = H * H
    total = exponent * np.log1p(squares).sum() + H.size * constant
    squares += 1
    H /= squares
    H *= 2 * exponent / width
    return total


def logistic(loss: Loss, H: Array, y: Array) -> Any:
    """σ(h) = e^(h − log(1 + eʰ)), which takes one exponential more than log(1 + eʰ) and never overflows."""
    softplus = np.logaddexp(0, H)
    total = softplus.sum() - np.vdot(H, y)
    H -= softplus
    np.exp(H, out=H)
    H -= y
    return total


def softmax(loss: Loss, H: Array, y: Array) -> Any:
    picks = np.arange(len(y)), y
    H -= np.maximum.reduce(H, axis=1, keepdims=True)
    chosen = H[picks].sum()
    np.exp(H, out=H)
    totals = np.add.reduce(H, axis=1, keepdims=True)
    H /= totals
    H[picks] -= 1
    return np.log(totals).sum() - chosen


def multinomial(loss: Loss, H: Array, y: Array) -> Any:
    H -= np.maximum.reduce(H, axis=1, keepdims=True)
    chosen = np.einsum("ij,ij", H, y)
    np.exp(H, out=H)
    totals = np.add.reduce(H, axis=1, keepdims=True)
    trials = y.sum(axis=1, keepdims=True)
    H *= trials / totals
    H -= y
    return np.vdot(trials, np.log(totals)) - chosen


# Each turns the logits of some samples, (b, k) or (b,), into δ, in place, and returns the sum of their losses.
FORMULAS: dict[str, Callable[[Loss, Array, Array], Any]] = {
    f.__name__: f for f in (squared, absolute, huber, student_t, logistic, softmax, multinomial)
}


class NumPy(Backend):
    """NumPy as its users write it: Xθ and XᵀΔ by `np.matmul`, each for all samples of the batch.

    Samples in an order are gathered all at once, into memory that is kept: to gather a block at a time costs as much in rows
    and several times more in columns, where each sample is as many cache lines as it has features.
    """

    name = "numpy"
    package = "numpy"
    formulas = tuple(FORMULAS)
    block: ClassVar[int | None] = None  # numbers of X in a block that both products take

    def __init__(self, loss: str | Loss, layout: str | Layout = "rows") -> None:
        super().__init__(loss, layout)
        self._kept: dict[str, Array] = {}

    @contextmanager
    def threads(self, count: int | None) -> Iterator[None]:
        with threadpool_limits(limits=count, user_api="blas"):
            yield

    def native(self, array: Array | None) -> Array | None:
        return array

    def forward(self, X: Array, theta: Array, order: Array | None = None) -> Array:
        rows = self._visited(X, order)
        return theta.T @ rows.T if self.columns else rows @ theta

    def gradient(self, X: Array, deltas: Array, order: Array | None = None) -> Array:
        rows = self._visited(X, order)
        return rows.T @ deltas.T if self.columns else (deltas.T @ rows).T

    def value_and_grad(self, X: Array, y: Array, theta: Array, order: Array | None = None) -> tuple[Any, Array]:
        rows, y = self._visited(X, order), y if order is None else y[order]
        sums = _Sums(self.loss, theta, len(rows), self.columns, self.block)
        value = sums(rows, y)
        sums.G /= len(rows)
        return value / len(rows), sums.G

    def sgd_epoch(
        self, X: Array, y: Array, theta: Array, batch_size: int, step_size: float, order: Array | None = None
    ) -> float:
        narrow = self.columns and turned(batch_size, order)
        rows, y = self._visited(X, order, turned=narrow), y if order is None else y[order]
        # One sample's gradient is an outer product: NumPy runs along the features if those are neighbours in memory.
        moving = np.array(theta, order="F" if batch_size == 1 else "C")
        sums = _Sums(self.loss, moving, min(batch_size, len(rows)), self.columns and not narrow, self.block)
        met = 0.0
        for start in range(0, len(rows), batch_size):
            x = rows[start : start + batch_size]
            met += sums(x, y[start : start + batch_size])
            sums.G *= step_size / len(x)
            moving -= sums.G
        theta[...] = moving
        return float(met / len(rows))

    def _visited(self, X: Array, order: Array | None, turned: bool = False) -> Array:
        """The samples in the order of visit, as rows; of columns a transposed view, or with `turned` a copy."""
        if turned:
            X = self._keep("turned", X.T.shape, X.dtype, lambda room: np.copyto(room, X.T))
        if order is None:
            return X.T if self.columns and not turned else X
        axis = int(self.columns and not turned)
        shape = (len(order), X.shape[1]) if axis == 0 else (X.shape[0], len(order))
        taken = self._keep("taken", shape, X.dtype, lambda room: np.take(X, order, axis, out=room, mode="clip"))
        return taken.T if axis else taken

    def _keep(self, name: str, shape: tuple[int, ...], dtype: Any, fill: Callable[[Array], object]) -> Array:
        room = self._kept.get(name)
        if room is None or room.shape != shape or room.dtype != dtype:
            room = self._kept[name] = np.empty(shape, dtype)
        fill(room)
        return room


class NumPyTuned(NumPy):
    """NumPy as fast as it was seen to be: in blocks that are still in cache at the second product."""

    name = "numpy_tuned"
    block = 1 << 19  # 2¹⁸ and 2²¹ are 4 % slower


class _Sums:
    """Sum of the losses of a batch and, in `G`, of their gradients; with room for `samples` of them at most."""

    def __init__(self, loss: Loss, theta: Array, samples: int, columns: bool, block: int | None) -> None:
        n, k = theta.shape
        self.loss, self.formula, self.columns = loss, FORMULAS[loss.name], columns
        self.theta = theta
        self.block = samples if block is None else max(1, min(samples, block // n))
        self.G, self.part = np.empty_like(theta), np.empty_like(theta)
        self.H = np.empty((k, self.block) if columns else (self.block, k), theta.dtype)

    def __call__(self, x: Array, y: Array) -> Any:
        if len(x) <= self.block:
            return self._block(x, y, self.G)
        value = self._block(x[: self.block], y[: self.block], self.G)
        for start in range(self.block, len(x), self.block):
            value += self._block(x[start : start + self.block], y[start : start + self.block], self.part)
            self.G += self.part
        return value

    def _block(self, x: Array, y: Array, G: Array) -> Any:
        if self.columns:
            D = np.matmul(self.theta.T, x.T, out=self.H[:, : len(x)]).T
        else:
            D = np.matmul(x, self.theta, out=self.H[: len(x)])
        value = self.formula(self.loss, D[:, 0] if self.loss.target.one_logit else D, y)
        if len(x) == 1:
            np.multiply(x.T, D, out=G)
        else:
            np.matmul(x.T, D, out=G)
        return value
