"""Formulas by SymPy, on arrays of its expressions: what comes out as 0 is 0 for all matrices of these shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy

from experiments.theory.algebras.base import Algebra, Array, cell, commuting, stacked


class Smooth(sympy.Function):  # type: ignore[misc]
    """f(m₁₁, m₁₂, …), of which nothing is known; its derivatives are functions of the same arguments, one for each."""

    def fdiff(self, argindex: int = 1) -> Any:
        return sympy.Function(f"f_{argindex}")(*self.args)


class Symbols(Algebra):
    """The operations; `smooth` is any smooth function at all."""

    @staticmethod
    def given(value: Array) -> Array:
        return value

    def differential(self, F: Callable[..., Array], pairs: list[tuple[Array, Array]]) -> Array:
        t = sympy.Dummy("t")
        return _each(lambda entry: sympy.diff(entry, t).subs(t, 0), F(*(M + t * dM for M, dM in pairs)))

    def partials(self, f: Callable[[Array], Array], M: Array) -> Array:
        """∂f/∂mᵢⱼ, shaped like M."""
        return self.jacobian(f, M).reshape(M.shape, order="F")

    def jacobian(self, F: Callable[[Array], Array], M: Array) -> Array:
        """∂vec F/∂vec M: a row for each entry of vec F, a column for each of vec M."""
        z = _each(lambda _: sympy.Dummy("z"), M)
        here = dict(zip(z.flat, M.flat, strict=True))
        pairs = [[sympy.diff(each, by).xreplace(here) for by in stacked(z).flat] for each in stacked(F(z)).flat]
        return np.array(pairs, object)

    def tr(self, M: Array) -> Array:
        return cell(np.trace(M))

    def total(self, M: Array) -> Array:
        return cell(M.sum())

    def inv(self, M: Array) -> Array:
        """adj A/det A"""
        det = self.det(M).item()
        return _each(lambda entry: entry / det, np.array(sympy.Matrix(M).adjugate().tolist(), object))

    def det(self, M: Array) -> Array:
        return cell(sympy.Matrix(M).det(method="berkowitz"))

    def log_det(self, M: Array) -> Array:
        return self.log(self.det(M))

    def exp(self, M: Array) -> Array:
        return _each(sympy.exp, M)

    def log(self, M: Array) -> Array:
        return _each(sympy.log, M)

    def over(self, A: Array, B: Array) -> Array:
        """aᵢⱼ/bᵢⱼ"""
        return np.asarray(A / B)

    def kron(self, A: Array, B: Array) -> Array:
        return np.kron(A, B)

    def vec(self, M: Array) -> Array:
        return stacked(M)

    def eye(self, length: int) -> Array:
        return _whole(np.eye(length))

    def ones(self, *shape: int) -> Array:
        return _whole(np.ones(shape))

    def commutation(self, rows: int, columns: int) -> Array:
        return _whole(commuting(rows, columns))

    def share(self, M: Array) -> Array:
        """1/m, m the rows of M."""
        return cell(sympy.Rational(1, M.shape[0]))

    def smooth(self, M: Array, name: str = "f") -> Array:
        return cell(Smooth(*M.flat))


def is_zero(entry: Any) -> bool:
    """Whether a rational function, of symbols and of exponentials and functions of them, is 0: its numerator, expanded."""
    return bool(sympy.expand(sympy.fraction(sympy.together(entry))[0]) == 0)


def _each(f: Callable[[Any], Any], M: Array) -> Array:
    out = np.empty(M.size, object)
    out[:] = [f(entry) for entry in M.flat]
    return out.reshape(M.shape)


def _whole(M: Array) -> Array:
    return _each(lambda entry: sympy.Integer(int(entry)), M)
