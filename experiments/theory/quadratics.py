"""Gradient descent on a parabola, in closed form: f(θ) = f* + ½ eᵀAe, e = θ − θ̂, A = c·XᵀX/m: what δ = c(h − y) makes of X.

Each step multiplies an eigenvector's part of e by 1 − sλ, so that f(θ_t) − f* = ½ Σᵢ λᵢcᵢ²(1 − sλᵢ)²ᵗ. Reference: Nesterov,
Lectures on Convex Optimization, 2018, doi:10.1007/978-3-319-91578-4, section 1.2.3. SGD's share of it: `experiments.theory.sgd`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kernels.losses import Loss

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Quadratic:
    """The eigenvalues λ (n,) of A, and the squared parts c² (n,) of the start's distance θ₀ − θ̂ along the eigenvectors."""

    eigenvalues: Array
    squares: Array

    def excess(self, step: float, iterations: ArrayLike) -> Array:
        """f(θ_t) − f* = ½ Σᵢ λᵢ cᵢ² (1 − sλᵢ)²ᵗ for each t."""
        t = np.asarray(iterations, np.float64)[..., None]
        with np.errstate(over="ignore"):  # beyond the edge it grows without bound
            parts = self.eigenvalues * self.squares * np.abs(1 - step * self.eigenvalues) ** (2 * t)
        return np.asarray(0.5 * parts.sum(axis=-1))

    def iterations_to(self, share: float, step: float) -> float:
        """The first t with excess(t) ≤ share · excess(0); infinite where there is none.

        The excess is convex in t, a sum of exponentials: it falls up to its least value and rises from there on, if at all.
        """
        target = share * float(self.excess(step, 0))

        def is_low(t: int) -> bool:
            return float(self.excess(step, t)) <= target

        def ends(t: int) -> bool:
            return is_low(t) or bool(self.excess(step, t + 1) >= self.excess(step, t))

        least = _first(ends)
        return float(_first(is_low, most=least)) if is_low(least) else math.inf


def quadratic(loss: Loss, X: Array, theta_hat: Array, start: Array) -> Quadratic:
    """Of a loss with δ = c(h − y), around its minimiser θ̂ (n, 1), from `start` (n, 1)."""
    eigenvalues, vectors = np.linalg.eigh(loss.curvature * (X.T @ X) / len(X))
    return Quadratic(np.maximum(eigenvalues, 0), (vectors.T @ (start - theta_hat)[:, 0]) ** 2)


def _first(holds: Callable[[int], bool], most: int | None = None) -> int:
    """The least t ≥ 0 for which a condition holds that, once it does, goes on to hold: up to `most`, at which it does."""
    low, high = 0, 1
    if most is None:
        while not holds(high):
            low, high = high, 2 * high
    else:
        high = most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
