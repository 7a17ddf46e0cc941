"""Derivatives of functions of one tensor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kernels.autodiff import functions as F
from kernels.autodiff.autograd.gradients import grad
from kernels.autodiff.modes import enable_grad
from kernels.autodiff.tensor import Tensor


def jacobian(func: Callable[[Tensor], Tensor], inputs: Tensor, create_graph: bool = False) -> Tensor:
    """∂f(x)/∂x at x = `inputs`, in the shape of f(x) followed by that of x, one backward pass for each number in f(x).

    Only by what f is given: what else it uses is constant. What f(x) does not depend on has zeros. With `create_graph` the
    derivatives can be differentiated themselves.
    """
    if not isinstance(inputs, Tensor):
        raise TypeError(f"inputs: a {type(inputs).__name__}; should be one tensor")
    with enable_grad():
        x = F.clone(inputs) if create_graph and inputs.requires_grad else inputs.detach().requires_grad_()
        y = func(x)
        if not isinstance(y, Tensor):
            raise TypeError(f"func: gives a {type(y).__name__}; should be one tensor")
        rows = [_row(y, x, i, create_graph) for i in range(y.array.size)]
        whole = F.stack(rows) if rows else Tensor.of(np.zeros((0, *x.shape), y.dtype))
        return whole.reshape(*y.shape, *x.shape)


def _row(y: Tensor, x: Tensor, i: int, create_graph: bool) -> Tensor:
    found = None
    if y.requires_grad:
        unit = np.zeros(y.array.size, y.dtype)
        unit[i] = 1
        unit = unit.reshape(y.shape)
        (found,) = grad(y, x, Tensor.of(unit), retain_graph=True, create_graph=create_graph, allow_unused=True)
    return Tensor.of(np.zeros_like(x.array)) if found is None else found


def hessian(func: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """∂²f(x)/∂x∂x of a single number, at x = `inputs`, in the shape of x twice."""

    def gradient(x: Tensor) -> Tensor:
        return jacobian(func, x, create_graph=True).reshape(x.shape)

    return jacobian(gradient, inputs)
