"""Hypotheses by automatic differentiation: linear, H = Xθ, or a network of two layers, H = relu(XW₁)W₂ (notes 2)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from experiments.tensors import FORMULAS, mean_loss
from kernels.autodiff import Tensor, no_grad, optim
from kernels.layouts import Layout
from kernels.losses import Loss

Array = NDArray[Any]


class OnTape:
    """f(θ) = 1/m Σ ℓ(hᵢ, yᵢ) and its gradient by the tape, in the passes that `Train` asks for, on NumPy arrays.

    `widths`: features, hidden units if there are any, outputs. θ is one array: that of the linear hypothesis (n, k), or all
    weights of a network one after another, W₁ (n, h) before W₂ (h, k). In columns H̃ = W₂ᵀ relu(W₁ᵀX̃), with the same weights.
    """

    def __init__(self, loss: Loss, layout: Layout, dtype: str, widths: Sequence[int]) -> None:
        self.loss, self.layout, self.dtype = loss, layout, np.dtype(dtype)
        self.columns = layout.name == "columns"
        self.shapes = list(pairwise(widths))

    def check(self) -> None:
        """Raise ValueError if the loss has no formula in tensors, or the layout no form."""
        if self.loss.name not in FORMULAS:
            raise ValueError(
                f"gradient: autodiff has no formula for loss={self.loss.name}; should be one of {', '.join(FORMULAS)}"
            )
        if self.layout.name not in ("rows", "columns"):
            raise ValueError(f"gradient: autodiff has no form for layout={self.layout.name}; should be rows or columns")

    @staticmethod
    def threads(count: int | None) -> AbstractContextManager[object]:
        """Within, BLAS runs `count` threads (None: as many as it likes)."""
        limits: AbstractContextManager[object] = threadpool_limits(limits=count, user_api="blas")
        return limits

    def start(self, seed: int) -> Array:
        """θ before the first step: 0 for the linear hypothesis; of a network randn/√width, of the width that it leads to.

        The numbers are those of the course, `numpy.random.seed(seed)` and then `randn` for one layer after another in float32.
        """
        if len(self.shapes) == 1:
            return np.zeros(self.shapes[0], self.dtype)
        rng = np.random.RandomState(seed)
        weights = [rng.randn(*shape).astype(np.float32) / np.float32(np.sqrt(shape[1])) for shape in self.shapes]
        return np.concatenate([weight.ravel() for weight in weights]).astype(self.dtype)

    def weights(self, theta: Array) -> list[Array]:
        """The weights of each layer, in θ's memory."""
        ends = np.cumsum([rows * columns for rows, columns in self.shapes])
        parts = np.split(theta.reshape(-1), ends[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def forward(self, X: Array, theta: Array) -> Array:
        """H (m, k), in columns (k, m)."""
        with no_grad():
            return self._logits(Tensor.of(X), [Tensor.of(W) for W in self.weights(theta)]).array

    def value_and_grad(self, X: Array, y: Array, theta: Array) -> tuple[float, Array]:
        """f(θ), and ∇f(θ) shaped like θ."""
        leaves = self._leaves(theta)
        value = self._objective(X, y, leaves)
        value.backward()
        gradient = np.concatenate([leaf.grad.array.ravel() for leaf in leaves if leaf.grad is not None])
        return float(value), gradient.reshape(theta.shape)

    def sgd_epoch(
        self, X: Array, y: Array, theta: Array, batch_size: int, step_size: float, order: Array | None = None
    ) -> float:
        """θ ← θ − step_size · ∇(mean loss of the batch), batch by batch; θ changes in place. Returns the mean of the losses met."""
        leaves = self._leaves(theta)
        optimizer = optim.SGD(leaves, lr=step_size)
        met = 0.0
        for start in range(0, len(y), batch_size):
            at = slice(start, start + batch_size) if order is None else order[start : start + batch_size]
            optimizer.zero_grad()
            loss = self._objective(X[:, at] if self.columns else X[at], y[at], leaves)
            loss.backward()
            optimizer.step()
            met += float(loss) * len(y[at])
        return met / len(y)

    def _leaves(self, theta: Array) -> list[Tensor]:
        return [Tensor.of(W).requires_grad_() for W in self.weights(theta)]

    def _objective(self, X: Array, y: Array, weights: Sequence[Tensor]) -> Tensor:
        H = self._logits(Tensor.of(X), weights)
        return mean_loss(self.loss, H.T if self.columns else H, y)

    def _logits(self, X: Tensor, weights: Sequence[Tensor]) -> Tensor:
        *inner, last = weights
        for W in inner:
            X = (W.T @ X if self.columns else X @ W).relu()
        return last.T @ X if self.columns else X @ last
