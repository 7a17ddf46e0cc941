"""Formulas by NumPy, differentials by a complex step, and with each entry how far rounding may have taken it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.theory.algebras.base import Algebra, Array, cell, commuting, stacked

STEP = 2.0**-300  # of a complex step: its square is nothing beside 1, and dividing by it rounds nothing
UNIT = 2.0**-53  # the largest relative error of one rounding


@dataclass(frozen=True)
class Number:
    """A matrix of floats, which rounding has taken no further than `bound` from what the formula says, entry by entry.

    `size` is what the formula says of absolute values, |A||B| for AB, and `roundings` how many an entry went through; an
    imaginary part, of value or size, is a differential times `STEP`. To first order in 2⁻⁵³. Source: Higham, Accuracy and
    Stability of Numerical Algorithms, 2002, sections 3.1 and 14.2.
    """

    value: Array
    size: Array
    roundings: int = 0

    def __matmul__(self, other: Number) -> Number:
        terms = 2 * self.shape[1]  # of an imaginary part
        return Number(self.value @ other.value, self.size @ other.size, self.roundings + other.roundings + terms)

    def __add__(self, other: Number) -> Number:
        return Number(self.value + other.value, self.size + other.size, max(self.roundings, other.roundings) + 1)

    def __sub__(self, other: Number) -> Number:
        return self + -other

    def __neg__(self) -> Number:
        return Number(-self.value, self.size, self.roundings)

    def __mul__(self, other: Number) -> Number:
        return Number(self.value * other.value, self.size * other.size, self.roundings + other.roundings + 2)

    def __rmul__(self, factor: float) -> Number:
        return Number(factor * self.value, abs(factor) * self.size, self.roundings + 1)

    @property
    def T(self) -> Number:
        return Number(self.value.T, self.size.T, self.roundings)

    @property
    def shape(self) -> tuple[int, int]:
        return self.value.shape[0], self.value.shape[1]

    @property
    def bound(self) -> Array:
        return np.asarray(self.roundings * UNIT * np.real(self.size))

    @property
    def slope(self) -> Number:
        """∂/∂t of what moved by t = ih, h = `STEP`: Im F(X + ih·dX)/h (doi:10.1137/S003614459631241X)."""
        return Number(np.imag(self.value) / STEP, np.imag(self.size) / STEP, self.roundings)

    def moved(self, by: Number) -> Number:
        """X + ih·dX"""
        return Number(self.value + 1j * STEP * by.value, self.size + 1j * STEP * by.size, self.roundings)


class Numbers(Algebra):
    """The operations, each with its size: what an error of its arguments, or its own, is at most multiplied by."""

    @staticmethod
    def given(value: Array) -> Number:
        return Number(value, np.abs(value))

    def differential(self, F: Callable[..., Number], pairs: list[tuple[Number, Number]]) -> Number:
        return F(*(M.moved(dM) for M, dM in pairs)).slope

    def partials(self, f: Callable[[Number], Number], M: Number) -> Number:
        """∂f/∂mᵢⱼ, shaped like M."""
        return _joined([f(M.moved(unit)).slope for unit in _units(M.shape)], lambda each: np.reshape(each, M.shape))

    def jacobian(self, F: Callable[[Number], Number], M: Number) -> Number:
        """∂vec F/∂vec M, a column for each entry of vec M."""
        column_by_column = [unit.T for unit in _units(M.shape[::-1])]
        return _joined([self.vec(F(M.moved(unit)).slope) for unit in column_by_column], np.hstack)

    def tr(self, M: Number) -> Number:
        if M.shape[0] != M.shape[1]:  # NumPy would take what there is of a diagonal
            raise ValueError(f"tr: shape {M.shape}; should be square")
        return Number(cell(np.trace(M.value)), cell(np.trace(M.size)), M.roundings + M.shape[0])

    def total(self, M: Number) -> Number:
        return Number(cell(M.value.sum()), cell(M.size.sum()), M.roundings + M.value.size)

    def inv(self, M: Number) -> Number:
        """A⁻¹ by LU, the inverse of a matrix nearby, so of size |A⁻¹||A||A⁻¹|: what a condition number is made of."""
        inverse = np.linalg.inv(M.value)
        plain, moved = np.abs(inverse.real), np.imag(M.size)
        size = plain @ np.real(M.size) @ plain
        return Number(
            inverse, size + 1j * (size @ moved @ plain + plain @ moved @ size), M.roundings + _eliminations(M)
        )

    def det(self, M: Number) -> Number:
        """det A by LU, the determinant of a matrix nearby, so of size |det A|(1 + tr |A⁻¹||A|)."""
        value, plain = np.linalg.det(M.value), np.abs(np.linalg.inv(M.value.real))
        here, moved = plain @ np.real(M.size), plain @ np.imag(M.size)
        off = 1 + np.trace(here)
        size = abs(value.real) * (off + 1j * (off * np.trace(moved) + np.trace(moved @ here)))
        return Number(cell(value), cell(size), M.roundings + _eliminations(M))

    def log_det(self, M: Number) -> Number:
        """log |det A|"""
        det = self.det(M)
        return self.log(Number(det.value * np.sign(det.value.real), det.size, det.roundings))

    def exp(self, M: Number) -> Number:
        value = np.exp(M.value)
        return Number(value, value.real * (1 + M.size.real) * (1 + 1j * np.imag(M.size)), M.roundings + 4)

    def log(self, M: Number) -> Number:
        value, share = np.log(M.value), M.size / np.abs(M.value.real)
        size = np.abs(value.real) + share.real + 1j * np.imag(share) * (1 + share.real)
        return Number(value, size, M.roundings + 4)

    def over(self, A: Number, B: Number) -> Number:
        """aᵢⱼ/bᵢⱼ"""
        share = B.size / np.abs(B.value.real)
        inverse = (1 + share.real) * (1 + 1j * np.imag(share)) / np.abs(B.value.real)
        return Number(A.value / B.value, A.size * inverse, A.roundings + B.roundings + 6)

    def kron(self, A: Number, B: Number) -> Number:
        return Number(np.kron(A.value, B.value), np.kron(A.size, B.size), A.roundings + B.roundings + 2)

    def vec(self, M: Number) -> Number:
        return Number(stacked(M.value), stacked(M.size), M.roundings)

    def eye(self, length: int) -> Number:
        return self.given(np.eye(length))

    def ones(self, *shape: int) -> Number:
        return self.given(np.ones(shape))

    def commutation(self, rows: int, columns: int) -> Number:
        return self.given(commuting(rows, columns))

    def share(self, M: Number) -> Number:
        """1/m, m the rows of M."""
        return Number(cell(1 / M.shape[0]), cell(1 / M.shape[0]), 1)

    def smooth(self, M: Number, name: str = "f") -> Number:
        """A smooth function of all entries together: Σ w·e^(m/4) + (Σ v·m)², with weights that differ from entry to entry."""
        at = np.arange(1.0, M.value.size + 1).reshape(M.shape)
        bent = self.total(self.given(np.sin(at)) * self.exp(0.25 * M))
        mixed = self.total(self.given(np.cos(at)) * M)
        return bent + mixed * mixed


def _units(shape: tuple[int, int]) -> list[Number]:
    """The matrices with a single 1, row by row."""
    return [Numbers.given(unit.reshape(shape)) for unit in np.eye(shape[0] * shape[1])]


def _joined(parts: list[Number], join: Callable[[Any], Array]) -> Number:
    return Number(join([p.value for p in parts]), join([p.size for p in parts]), max(p.roundings for p in parts))


def _eliminations(M: Number) -> int:
    """Roundings of LU and both triangular solves, in complex numbers."""
    return 6 * M.shape[0]
