"""θ̂ = argmin f(θ), f(θ) = 1/m Σᵢ ℓ(hᵢ, yᵢ), H = Xθ: to the optimum, by SciPy on the kernels' value and gradient.

Columns of X are first scaled and made orthogonal, X = Z·A with ZᵀZ = m·1, and f is minimised over β = Aθ: however badly the
columns of a real table are scaled, f curves alike in all directions then. A loss made of two straight lines (absolute loss) is a
linear programme instead. Reference: Koenker and Bassett, 1978, doi:10.2307/1913643, for the programme.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize, sparse

from experiments.fitting.separation import is_parted, least_margin, one_hot
from kernels import Objective
from kernels.losses import Loss, Target

Array = NDArray[np.float64]

# Up to so many parameters Newton's method is used, which takes as many gradients for each Hessian.
MOST_FOR_NEWTON = 150
# L-BFGS goes on until no step makes f smaller in float64.
UNTIL_ROUNDING = {"maxiter": 5000, "maxfun": 20000, "ftol": 0, "gtol": 0}
# ‖∇f‖ over β, as a share of its value at the start, at which nothing is left to gain.
SMALL = 1e-13
# Beyond it of its largest a singular value of the scaled X counts as 0.
RANK = 1e-13
# f stops falling in float64 where every logit that it drives to infinity has come so far at least.
FAR = 12.0
# Of labels that are parted: a margin at which a sample's loss is below what float64 tells from 0 beside 1.
NEXT_TO_NOTHING = 40.0
STEP = 1e-5  # of the differences that a Hessian is made of; β is of order one in it


@dataclass(frozen=True)
class Optimum:
    """θ̂ shaped (n, k), f(θ̂), and how flat f is there: ‖∇f‖ over β at θ̂ and at the start (NaN for a linear programme).

    `parted`: labels that a plane parts have no θ̂ (`experiments.fitting.separation`); then `theta` is far along where f falls
    to its infimum without end, and `value` is next to that. None: there were too many samples to tell.
    """

    theta: Array
    value: float
    gradient_norm: float
    start_norm: float
    method: str
    parted: bool | None = False

    @property
    def flat(self) -> bool:
        """Whether it is a minimum as far as float64 tells: of labels that a plane parts it is not, whose θ̂ is at infinity."""
        if self.parted:
            return False
        return math.isnan(self.gradient_norm) or self.gradient_norm <= 1e-6 * max(self.start_norm, 1e-300)


def minimise(loss: Loss, X: Array, y: NDArray[Any], outputs: int = 1, start: Array | None = None) -> Optimum:
    """The minimiser over θ (n, k), from θ = 0 or `start`; where there are several, one of small norm. X (m, n), y (m,) or (m, k).

    A loss that is not convex (Student's t) ends in the basin that it starts in: start it from absolute loss's optimum.
    Raises ValueError, as `Objective` does, for bad data, and for a loss whose δ jumps but is not of two straight lines.
    """
    objective = Objective(loss)
    if math.isinf(loss.curvature):
        theta = _programme(loss, X, y)[:, None]
        return Optimum(theta, objective.value_and_grad(X, y, theta)[0], math.nan, math.nan, "HiGHS")
    Z, back = orthogonal(X)
    shape = (Z.shape[1], outputs)

    def f(beta: Array) -> tuple[float, Array]:
        if not np.isfinite(beta).all():  # labels that can be parted: on its way to infinity L-BFGS leaves float64
            return math.inf, np.zeros_like(beta)
        value, grad = objective.value_and_grad(Z, y, beta.reshape(shape))
        return value, grad.ravel()

    beta: Array = np.zeros(Z.shape[1] * outputs)
    if start is not None:
        beta = np.asarray(np.linalg.lstsq(Z, X @ start)[0].ravel())
    first = float(np.linalg.norm(f(np.zeros(Z.shape[1] * outputs))[1]))
    lowest: Array = beta
    counts = None if loss.target is Target.REAL else one_hot(y, loss.target, outputs)

    def keep(intermediate_result: optimize.OptimizeResult) -> None:
        nonlocal lowest
        if np.isfinite(intermediate_result.x).all():
            lowest = intermediate_result.x.copy()
            if counts is not None and least_margin(Z @ lowest.reshape(shape), counts) > 0:
                raise StopIteration

    optimize.minimize(f, beta, jac=True, method="L-BFGS-B", options=UNTIL_ROUNDING, callback=keep)
    at, method = lowest, "L-BFGS-B"
    parted: bool | None = False
    margin = -math.inf if counts is None else least_margin(Z @ at.reshape(shape), counts)
    if margin > 0:  # straight on from here f falls for ever
        at, parted = at * (NEXT_TO_NOTHING / margin), True
    elif at.size <= MOST_FOR_NEWTON:
        at, method = _newton(f, at, first), "L-BFGS-B, then Newton"
    if not parted and np.abs(Z @ at.reshape(shape)).max() > FAR:
        parted = is_parted(Z, y, loss.target, outputs)
    theta = back @ at.reshape(shape)
    value, gradient = f(at)
    return Optimum(theta, value, float(np.linalg.norm(gradient)), first, method, parted)


def orthogonal(X: Array) -> tuple[Array, Array]:
    """Z (m, r) with ZᵀZ = m·1 that spans what X's columns span, and the matrix B with θ = Bβ, so that XB = Z."""
    scale = np.linalg.norm(X, axis=0)
    scale[scale == 0] = 1
    left, singular, right = linalg.svd(X / scale, full_matrices=False)
    kept = singular > RANK * singular[0]
    root = math.sqrt(len(X))
    return np.ascontiguousarray(left[:, kept] * root), (right[kept].T / singular[kept]) * root / scale[:, None]


def _newton(f: Any, beta: Array, first: float) -> Array:
    """Newton's method from near the minimum, as long as the gradient shrinks."""
    _, grad = f(beta)
    for _ in range(20):
        if np.linalg.norm(grad) <= SMALL * first:
            break
        steps = STEP * np.eye(beta.size)
        hessian = np.array([(f(beta + step)[1] - f(beta - step)[1]) / (2 * STEP) for step in steps])
        move = np.linalg.lstsq((hessian + hessian.T) / 2, grad, rcond=1e-9)[0]
        _, there = f(beta - move)
        if not np.linalg.norm(there) < np.linalg.norm(grad):
            break
        beta, grad = beta - move, there
    return beta


def _programme(loss: Loss, X: Array, y: Array) -> Array:
    """θ (n,) that minimises Σ up·(y − Xθ)⁺ + down·(y − Xθ)⁻, the slopes being the loss's on both sides."""
    if loss.target is not Target.REAL:
        raise ValueError(f"loss={loss.name}: its δ jumps; there is an optimiser for such a loss of real numbers alone")
    near, far = (loss.deltas(np.array([-r, r]), np.zeros(2)) for r in (1e-9, 1e9))
    if not np.allclose(near, far, rtol=1e-12):
        raise ValueError(
            f"loss={loss.name}: its δ jumps, and is not constant on either side; there is no optimiser for it"
        )
    up, down = -near[0], near[1]
    m, n = X.shape
    size = np.abs(X).max(axis=0)
    size[size == 0] = 1
    found = optimize.linprog(
        np.concatenate([np.zeros(n), np.full(m, up), np.full(m, down)]),
        A_eq=sparse.hstack([sparse.csc_array(X / size), sparse.eye_array(m), -sparse.eye_array(m)], format="csc"), b_eq=y,
        bounds=[(None, None)] * n + [(0, None)] * (2 * m), method="highs-ds",
    )  # fmt: skip
    if found.x is None:
        raise ValueError(f"loss={loss.name}: the linear programme has no solution: {found.message}")
    return np.asarray(_vertex(X, y, found.x[:n] / size))


def _vertex(X: Array, y: Array, theta: Array) -> Array:
    """The same solution to the last digit: it goes through n samples exactly, where X has full rank."""
    n = X.shape[1]
    through = np.argsort(np.abs(y - X @ theta))[:n]
    try:
        exact = np.linalg.solve(X[through], y[through])
    except np.linalg.LinAlgError:
        return theta
    return np.asarray(exact) if np.abs(y - X @ exact).sum() <= np.abs(y - X @ theta).sum() * (1 + 1e-9) else theta
