"""L, the bound of how curved f(θ) = 1/m Σᵢ ℓ(hᵢ, yᵢ), H = Xθ, can be, and how curved it is at a point (notes: Gradient Descent).

With ℓ's curvature at most c (`Loss.curvature`) no second derivative of f along any direction exceeds L = c·λmax(XᵀX/m). The
descent lemma, f(θ − s∇f) ≤ f(θ) − s(1 − sL/2)‖∇f‖², follows, convex or not: below s = 2/L every step of gradient descent lowers f.
Reference: Nesterov, Lectures on Convex Optimization, 2018, doi:10.1007/978-3-319-91578-4, section 1.2.3.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.contract import LeftOut
from kernels import Objective, losses
from kernels.losses import Loss

Array = NDArray[np.float64]

# Of the differences that a Hessian is made of, for θ of order one: half the digits go to rounding, half to the third derivative.
STEP = 1e-5


def bound(loss: Loss, X: Array) -> float:
    """L = c·λmax(XᵀX/m), X (m, n): no direction of f curves more, anywhere. Infinite for a loss whose δ jumps."""
    return loss.curvature * float(np.linalg.norm(X, 2)) ** 2 / len(X)


def check_bounded(loss: Loss) -> None:
    """Raise LeftOut for a loss whose δ jumps: it has no L, and gradient descent with a constant step never comes to rest."""
    if math.isinf(loss.curvature):
        bounded = [name for name, cls in losses.ALL.items() if cls.target is loss.target and cls().curvature < math.inf]
        raise LeftOut(
            f"loss={loss.name}: its δ jumps, so there is no L and no edge at 2/L; should be smooth, as"
            f" {' or '.join(f'loss={name}' for name in bounded) or 'loss=squared'}"
        )


def hessian(f: Objective, X: Array, y: NDArray[Any], theta: Array) -> Array:
    """∇²f at θ (n, k), as a symmetric matrix (nk, nk), by central differences of the kernel's gradient: right to about 1e-9."""
    columns = []
    for i in range(theta.size):
        move = np.zeros(theta.size)
        move[i] = STEP
        up, down = (f.value_and_grad(X, y, theta + sign * move.reshape(theta.shape))[1] for sign in (1, -1))
        columns.append((up - down).ravel() / (2 * STEP))
    found = np.array(columns)
    return np.asarray((found + found.T) / 2)


def sharpness(f: Objective, X: Array, y: NDArray[Any], theta: Array) -> float:
    """λmax(∇²f) at θ: near a minimum, gradient descent goes away from it for any step size above 2/sharpness."""
    return float(np.linalg.eigvalsh(hessian(f, X, y, theta))[-1])
