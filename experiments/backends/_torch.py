"""PyTorch: the gradient by explicit formulas, by autograd, or by the explicit formulas compiled.

What is fast was measured on two cores with 60000 samples of 784 features and 10 classes, in float32, milliseconds:
- θ held as `torch.nn.Linear` holds its weight, (k, n), and XᵀΔ as ΔᵀX: 25 instead of the 78 of `X.T @ D` (MKL).
- Blocks that stay in cache (`torch_tuned`): value and gradient 35 instead of 57. `index_select` into kept memory: 13 instead of 75.
- Inference mode instead of `no_grad`: an epoch at batch 1 1600 instead of 1960, at 32 95 instead of 110.
- Compiled, an epoch takes 2700 at batch 1 and 48 at 256, eager 1350 and 40: the call of a graph costs more than it saves.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from experiments.backends.base import turned
from kernels.losses import Huber, Loss, StudentT


def squared(loss: Loss, H: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    D = H - y
    return 0.5 * torch.dot(D[0], D[0]), D


def absolute(loss: Loss, H: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    R = H - y
    return R.abs().sum(), R.sign()


def huber(loss: Loss, H: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """With δ = r clipped to ±bend: ℓ = δ(r − ½δ), inside and outside."""
    assert isinstance(loss, Huber)
    R = H - y
    D = R.clamp(-loss.delta, loss.delta)
    return torch.dot(D[0], (R - 0.5 * D)[0]), D


def student_t(loss: Loss, H: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    assert isinstance(loss, StudentT)
    width, _, exponent, constant = loss.parameters
    U = (H - y) / width
    squares = U * U
    value = exponent * squares.log1p().sum() + H.shape[1] * constant
    return value, U / (1 + squares) * (2 * exponent / width)


def logistic(loss: Loss, H: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return F.softplus(H).sum() - torch.dot(H[0], y), H.sigmoid() - y


def softmax(loss: Loss, H: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """δ_y = z_y − 1 = expm1(log z_y)."""
    logs, labels = H.log_softmax(0), y[None]
    chosen = logs.gather(0, labels)
    return -chosen.sum(), logs.exp_().scatter_(0, labels, chosen.expm1())


def multinomial(loss: Loss, H: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    logs, counts = H.log_softmax(0), y.T
    return -(counts * logs).sum(), counts.sum(0) * logs.exp() - counts


# Sum of the losses, and δ (k, b), of logits H (k, b).
EXPLICIT: dict[str, Callable[[Loss, Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    f.__name__: f for f in (squared, absolute, huber, student_t, logistic, softmax, multinomial)
}


def total(loss: Loss, H: Tensor, y: Tensor) -> Tensor:
    """Sum of the losses of logits H (b, k), from which autograd takes the gradient."""
    match loss.name:
        case "squared":
            return 0.5 * F.mse_loss(H[:, 0], y, reduction="sum")
        case "absolute":
            return F.l1_loss(H[:, 0], y, reduction="sum")
        case "huber":
            assert isinstance(loss, Huber)
            return F.huber_loss(H[:, 0], y, reduction="sum", delta=loss.delta)
        case "student_t":
            width, _, exponent, constant = loss.parameters
            return (exponent * torch.log1p(((H[:, 0] - y) / width).square()) + constant).sum()
        case "logistic":
            return F.binary_cross_entropy_with_logits(H[:, 0], y, reduction="sum")
        case "softmax":
            return F.cross_entropy(H, y, reduction="sum")
        case _:
            return -(y * F.log_softmax(H, dim=1)).sum()


def explicit(loss: Loss, x: Tensor, y: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
    """Sums of the losses and of their gradients (k, n), for x (b, n) and θ (k, n)."""
    value, D = EXPLICIT[loss.name](loss, theta @ x.T, y)
    return value, D @ x


def autograd(loss: Loss, x: Tensor, y: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
    """The same by a backward pass; `F.linear` would take a tenth longer here, forward and backward together."""
    with torch.enable_grad():
        weight = theta.detach().requires_grad_()
        value = total(loss, (weight @ x.T).T, y)
        (grad,) = torch.autograd.grad(value, weight)
    return value.detach(), grad


class Passes:
    """The passes of `torch.Torch`, eager or compiled by `torch.compile`; in blocks of so many numbers of X, or all at once.

    Samples in an order are gathered all at once, into memory that is kept: to make it anew takes longer than to fill it.
    """

    def __init__(self, loss: Loss, columns: bool, how: str, block: int | None) -> None:
        self.loss, self.columns, self.block = loss, columns, block
        self._kept: dict[str, Tensor] = {}
        # inference mode spares a quarter of an epoch's time at batch 1; autograd can't go back into it
        self._mode = torch.no_grad if how == "autograd" else torch.inference_mode
        self._sums = autograd if how == "autograd" else explicit
        if how == "compiled":
            # the compiler imports this module of PyTorch's, in which its own `script_method` gives a warning
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                importlib.import_module("torch.utils.mkldnn")
            # a graph for each size of batch: a symbolic one costs time in every call
            self._sums = torch.compile(explicit, dynamic=False, fullgraph=True, recompile_limit=64)

    def native(self, array: NDArray[Any] | None) -> Tensor | None:
        return None if array is None else torch.from_numpy(np.require(array, requirements="W"))

    def forward(self, X: Tensor, theta: Tensor, order: Tensor | None = None) -> Tensor:
        with self._mode():
            rows, weight = self._visited(X, order), theta.T.contiguous()
            return weight @ rows.T if self.columns else F.linear(rows, weight)

    def gradient(self, X: Tensor, deltas: Tensor, order: Tensor | None = None) -> Tensor:
        with self._mode():
            rows = self._visited(X, order)
            return rows.T @ deltas.T if self.columns else (deltas.T @ rows).T

    def value_and_grad(self, X: Tensor, y: Tensor, theta: Tensor, order: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with self._mode():
            rows, y = self._visited(X, order), y if order is None else y[order]
            value, G = self._by_blocks(rows, y, theta.T.contiguous())
            return value / len(rows), G.div_(len(rows)).T

    def sgd_epoch(
        self, X: Tensor, y: Tensor, theta: NDArray[Any], batch_size: int, step_size: float, order: Tensor | None = None
    ) -> float:
        with self._mode():
            narrow = self.columns and turned(batch_size, order)
            rows, y = self._visited(X, order, turned=narrow), y if order is None else y[order]
            weight = torch.from_numpy(theta.T.copy())
            met = X.new_zeros(())
            for x, labels in zip(rows.split(batch_size), y.split(batch_size), strict=True):
                value, G = self._by_blocks(x, labels, weight)
                weight.sub_(G, alpha=step_size / len(x))
                met += value
            theta[...] = weight.T.numpy()
            return float(met) / len(rows)

    def _by_blocks(self, x: Tensor, y: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Sums of the losses and of their gradients (k, n), for x (b, n), contiguous or the transposed view of columns."""
        block = len(x) if self.block is None else max(1, self.block // x.shape[1])
        if len(x) <= block:
            return self._sums(self.loss, x, y, theta)
        parts = (self._sums(self.loss, *part, theta) for part in zip(x.split(block), y.split(block), strict=True))
        value, G = next(parts)
        for further, part in parts:
            value, G = value + further, G.add_(part)
        return value, G

    def _visited(self, X: Tensor, order: Tensor | None, turned: bool = False) -> Tensor:
        """The samples in the order of visit, as rows; of columns a transposed view, or with `turned` a copy."""
        if turned:
            X = self._keep("turned", X.T.shape, X).copy_(X.T)
        if order is None:
            return X.T if self.columns and not turned else X
        axis = int(self.columns and not turned)
        shape = (len(order), X.shape[1]) if axis == 0 else (X.shape[0], len(order))
        taken = torch.index_select(X, axis, order, out=self._keep("taken", shape, X))
        return taken.T if axis else taken

    def _keep(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        room = self._kept.get(name)
        if room is None or room.shape != shape or room.dtype != like.dtype:
            room = self._kept[name] = like.new_empty(shape)
        return room
