"""Functions whose derivative comes with their value, in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kernels import layouts, losses
from kernels.autodiff.functions.arithmetic import quietly
from kernels.autodiff.modes import is_grad_enabled
from kernels.autodiff.tape import function
from kernels.objective import Objective

if TYPE_CHECKING:
    from kernels.autodiff.functions.arithmetic import Ruled
    from kernels.autodiff.tensor import Tensor


@function
def cross_entropies(logits: Tensor, labels: NDArray[Any]) -> Ruled:
    """ln Σ eʰ − h_y, sample by sample: δ = softmax(h) − onehot(y)"""
    h, labels = logits.array, labels.copy()
    at = (np.arange(len(labels)), labels) if labels.ndim else (labels,)
    off = h - h.max(axis=-1, keepdims=True)
    powers = np.exp(off)
    total = powers.sum(axis=-1, keepdims=True)

    def delta(g: Tensor, _: Tensor) -> Tensor:
        if is_grad_enabled():  # it is to be differentiated itself
            onehot = np.zeros_like(h)
            onehot[at] = 1
            return g.unsqueeze(-1) * (logits.softmax(-1) - onehot)
        z: NDArray[Any] = powers / total
        z[at] -= 1
        return g.unsqueeze(-1) * z

    return np.log(total[..., 0]) - off[at], (delta,)


@function
def binary_cross_entropies(p: Tensor, y: Tensor) -> Ruled:
    """−y·log p − (1 − y)·log(1 − p), each logarithm −100 at least: ∂/∂p = (p − y)/max(p(1 − p), 1e-12), ∂/∂y = log((1 − p)/p)"""
    yes, no = (np.maximum(quietly(np.log, each), -100) for each in (p.array, 1 - p.array))
    return -y.array * yes - (1 - y.array) * no, (
        lambda g, _: g * (p - y) / (p * (1 - p)).clamp(1e-12),
        lambda g, _: g * ((1 - p).log().clamp(-100) - p.log().clamp(-100)),
    )


def objective(
    X: NDArray[Any] | Tensor,
    y: Any,
    theta: Tensor,
    loss: str | losses.Loss = "softmax",
    layout: str | layouts.Layout = "rows",
) -> Tensor:
    """The mean loss of `kernels.Objective` as a function of θ, value and gradient from one pass of its kernel over X.

    X and y are data: they get no gradient. The gradient comes from a kernel and not from tensors, so that there is no second one.
    """
    f = loss if isinstance(loss, Objective) else Objective(loss, layout)
    return _objective(theta, f=f, X=np.asarray(X), y=np.asarray(y))


@function
def _objective(theta: Tensor, f: Objective, X: NDArray[Any], y: NDArray[Any]) -> Ruled:
    value, grad = f.value_and_grad(X, y, theta.array)

    def once(g: Tensor, _: Tensor) -> Tensor:
        if is_grad_enabled():
            raise RuntimeError(
                "objective: its gradient comes from a kernel; a second derivative needs the loss written with tensors"
            )
        return g * grad

    return np.asarray(value, theta.dtype), (once,)
