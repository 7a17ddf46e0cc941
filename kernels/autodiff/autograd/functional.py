"""Derivatives of functions of one tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kernels.autodiff import functions as F
from kernels.autodiff.autograd.gradients import grad
from kernels.autodiff.tensor import Tensor


def jacobian(func: Callable[[Tensor], Tensor], inputs: Tensor, create_graph: bool = False) -> Tensor:
    """∂f(x)/∂x at x = `inputs`, in the shape of f(x) followed by that of x, one backward pass for each number in f(x)."""
    x = inputs if inputs.requires_grad else inputs.detach().requires_grad_()
    y = func(x)
    rows = []
    for i in range(y.array.size):
        unit = np.zeros(y.array.size, y.dtype)
        unit[i] = 1
        rows.append(grad(y, x, Tensor.of(unit.reshape(y.shape)), retain_graph=True, create_graph=create_graph)[0])
    return F.stack(rows).reshape(*y.shape, *x.shape) if rows else Tensor.of(np.zeros((*y.shape, *x.shape)))  # type: ignore[arg-type]


def hessian(func: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """∂²f(x)/∂x∂x of a single number, in the shape of x = `inputs` twice."""

    def gradient(x: Tensor) -> Any:
        return grad(func(x), x, create_graph=True)[0]

    return jacobian(gradient, inputs).detach()
