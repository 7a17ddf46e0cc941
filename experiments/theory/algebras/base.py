"""What a formula is: a function of a `Point`, `lambda x: x.tr(x.A @ x.B)`, which names matrices and operations.

Matrices know `@ + − *` (entry by entry, or 1×1 times all), `.T` and `.shape`; all else is an operation of the algebra.
A differential is d F(X; dX) = ∂F(X + t·dX)/∂t at t = 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Formula = Callable[[Any], Any]


@dataclass(frozen=True)
class Point:
    """Where a formula is read: matrices by name, and the operations of the algebra that they are of."""

    algebra: Any
    matrices: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self.matrices[name] if name in self.matrices else getattr(self.algebra, name)

    def d(self, F: Callable[..., Any], *names: str) -> Any:
        """d F(A, B, …), where all of these matrices move at once: A by dA, B by dB."""
        return self.algebra.differential(F, [(self.matrices[n], self.matrices[f"d{n}"]) for n in names])


class Algebra:
    """What is written with the operations that every algebra has."""

    def called(self, name: str, M: Any) -> Any:
        """M, which in words has a name of its own."""
        return M

    def softmax(self, H: Any) -> Any:
        """eʰ/Σeʰ along each row."""
        a: Any = self
        return a.over(a.exp(H), a.exp(H) @ a.ones(H.shape[1], H.shape[1]))

    def log_sum_exp(self, H: Any) -> Any:
        """Σᵢ log Σⱼ e^hᵢⱼ, 1×1."""
        a: Any = self
        return a.total(a.log(a.exp(H) @ a.ones(H.shape[1], 1)))


def cell(value: Any) -> Array:
    """A scalar, 1×1."""
    return np.array([[value]])


def stacked(M: Array) -> Array:
    """vec M: its columns, one below the other."""
    return np.reshape(M, (-1, 1), order="F")


def commuting(rows: int, columns: int) -> Array:
    """K with K vec M = vec Mᵀ for M (rows, columns)."""
    at = np.arange(rows * columns).reshape((rows, columns), order="F")
    return np.eye(rows * columns)[stacked(at.T).ravel()]
