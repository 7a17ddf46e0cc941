"""θ̂ by Newton's method, θ ← θ − (Xᵀ W X)⁻¹ Xᵀ Δ, W = ∂δ/∂h by differences: many small fits of a smooth convex loss.

The gradient is the kernel's, and θ̂ is where it vanishes; the curvature only says how to get there. A few milliseconds a fit,
a tenth of `optimum.minimise`, which takes over where Newton's method does not arrive, or where a plane may part the labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.fitting.optimum import Optimum, minimise
from kernels import Objective
from kernels.losses import Loss, Target

Array = NDArray[np.float64]

# ‖∇f‖, as a share of its value at θ = 0, at which nothing is left to gain; what counts as having arrived, if no step helps.
SMALL, ARRIVED = 1e-14, 1e-11
MOST = 60
FAR = 20.0  # a logit that Newton's method may be driving to infinity
# The curvature is taken anew where a step leaves more than this share of the gradient: it costs some twenty gradients.
FAST = 0.3
SHORTEST = 2.0**-12  # of a Newton step
STEP = 1e-5  # of the differences in h
RANK = 1e-10  # softmax does not see what is added to all classes: that direction has no curvature


def fit(loss: Loss, X: Array, y: NDArray[Any], outputs: int = 1, near: Array | None = None) -> Optimum:
    """The minimiser over θ (n, k) of the mean loss, from θ = 0 or from `near`. X (m, n), y as the loss takes it."""
    f = Objective(loss)
    zero = np.zeros((X.shape[1], outputs))
    start = float(np.linalg.norm(f.value_and_grad(X, y, zero)[1]))
    theta = zero if near is None else near
    value, grad = f.value_and_grad(X, y, theta)
    norm = float(np.linalg.norm(grad))
    hessian, fresh = None, False
    for _ in range(MOST):
        if norm <= SMALL * start:
            break
        if hessian is None:
            hessian, fresh = curvature(loss, X, y, theta), True
        move = np.linalg.lstsq(hessian, grad.ravel(), rcond=RANK)[0].reshape(theta.shape)
        length = 1.0
        while True:
            there, slope = f.value_and_grad(X, y, theta - length * move)
            left = float(np.linalg.norm(slope))
            if left < norm or there < value or length < SHORTEST:
                break
            length /= 2
        if not left < norm and not there < value:
            if fresh:
                break
            hessian = None
            continue
        theta, value, grad = theta - length * move, there, slope
        hessian, fresh = (hessian, False) if left < FAST * norm else (None, False)
        norm = left
    sure = loss.target is not Target.REAL and float(np.abs(X @ theta).max()) > FAR
    if norm <= ARRIVED * start and not sure:
        return Optimum(theta, value, norm, start, "Newton")
    return minimise(loss, X, y, outputs)


def curvature(loss: Loss, X: Array, y: NDArray[Any], theta: Array) -> Array:
    """∂²f/∂θ² (nk, nk): 1/m Σᵢ (xᵢ xᵢᵀ) ⊗ Wᵢ, W = ∂δ/∂h by central differences."""
    m, n = X.shape
    H = X @ theta
    k = H.shape[1]
    blocks = np.empty((n, k, n, k))
    for a in range(k):
        step = STEP * np.eye(k)[a]
        rows = (loss.deltas(H + step, y) - loss.deltas(H - step, y)) / (2 * STEP * m)
        for b in range(a, k):
            blocks[:, a, :, b] = blocks[:, b, :, a] = X.T @ (X * rows[:, b, None])
    return blocks.reshape(n * k, n * k)
