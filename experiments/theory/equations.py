"""An equation between matrix formulas, in words, decided by random numbers, and decided by symbols."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import sympy

from experiments.theory.algebras import Array, Formula, Number, Numbers, Point, Symbols, Word, Words, is_zero

Convention = Literal["rows", "columns"]
Sizes = Mapping[str, int]  # by letter

LETTERS = {"theta": "θ"}


@dataclass(frozen=True)
class Equation:
    """All `sides` are equal; `slip` is what is easily written for the last one instead. Matrices as in `A m×k, B k×n`.

    m counts samples. In columns a matrix with samples is held as its transpose, Ã (k, m), and formulas are read with A = Ãᵀ;
    `own` formulas are written for the matrices of their convention as they are.
    """

    matrices: str
    sides: tuple[Formula, ...]
    slip: Formula
    own: bool = field(default=False, kw_only=True)

    @property
    def shapes(self) -> dict[str, str]:
        """The letters of each matrix's shape, as formulas see it: `{"A": "mk", "B": "kn"}`."""
        pairs = (each.split() for each in self.matrices.split(", "))
        return {name: shape.replace("×", "") for name, shape in pairs}

    def written(self, slip: bool) -> tuple[Formula, ...]:
        """The sides to compare; with a slip the first one and what is written instead."""
        return (self.sides[0], self.slip) if slip else self.sides

    def at(self, algebra: Any, given: Callable[[str, str, bool], Any], convention: Convention) -> Point:
        """The equation's matrices and their differentials, as `given(name, shape's letters, held as a transpose)` has them."""
        matrices = {}
        for name, shape in self.shapes.items():
            turned = convention == "columns" and "m" in shape
            held = shape[::-1] if turned and not self.own else shape
            for each in (name, f"d{name}"):
                M = given(each, held, turned)
                matrices[each] = M.T if turned and not self.own else M
        return Point(algebra, matrices)


@dataclass(frozen=True)
class Gap:
    """How far sides are apart at random numbers: in units of their size, and of what rounding allows."""

    error: float
    of_bound: float


def statement(equation: Equation, convention: Convention, slip: bool = False) -> str:
    """`tr(ABC) = tr(BCA) = tr(CAB)`, by the formulas themselves; a slip is written for matrices that are all n × n."""

    def given(name: str, shape: str, turned: bool) -> Word:
        return _named(name, "nn" if slip else shape, turned)

    x = equation.at(Words(), given, convention)
    return " = ".join(side(x).text for side in equation.written(slip))


def slip_fits(equation: Equation, convention: Convention) -> bool:
    """Whether the shapes of a slip fit, whatever the lengths of axes: if not, it passes only where some happen to be equal."""
    lengths = {"m": 2, "n": 3, "k": 5, "p": 7}
    x = equation.at(Numbers(), lambda name, shape, turned: _drawn(np.random.default_rng(0), shape, lengths), convention)
    try:
        _sides(equation, x, slip=True)
    except ValueError:  # NumPy's, or that sides differ
        return False
    return True


def shapes(equation: Equation, convention: Convention) -> str:
    """`A (m, n), B (n, k)`: what the equation is about."""
    held: list[str] = []

    def given(name: str, shape: str, turned: bool) -> Word:
        word = _named(name, shape, turned)
        if not name.startswith("d"):
            held.append(f"{word.text} ({', '.join(shape)})")
        return word

    equation.at(Words(), given, convention)
    return ", ".join(held)


def numeric(
    equation: Equation, convention: Convention, sizes: Sizes, rng: np.random.Generator, slip: bool = False
) -> Gap:
    """The largest distance of any side from the first, for standard normal matrices of these sizes; NaN if a side has one."""
    x = equation.at(Numbers(), lambda name, shape, turned: _drawn(rng, shape, sizes), convention)
    first, *others = _sides(equation, x, slip)
    return worst([_gap(first, other) for other in others])


def worst(gaps: Sequence[Gap]) -> Gap:
    """The largest of each kind; NaN if any is."""
    return Gap(float(np.max([gap.error for gap in gaps])), float(np.max([gap.of_bound for gap in gaps])))


def symbolic(equation: Equation, convention: Convention, sizes: Sizes, slip: bool = False) -> tuple[int, int]:
    """How many entries of the sides' differences are not 0 for all matrices of these sizes, and how many there are."""

    def given(name: str, shape: str, turned: bool) -> Array:
        rows, columns = (sizes[letter] for letter in shape)
        return np.array(sympy.Matrix(rows, columns, lambda i, j: sympy.Symbol(f"{name}_{i}_{j}")).tolist(), object)

    x = equation.at(Symbols(), given, convention)
    first, *others = _sides(equation, x, slip)
    zeros = [is_zero(entry) for other in others for entry in (first - other).flat]
    return zeros.count(False), len(zeros)


def _sides(equation: Equation, x: Point, slip: bool) -> list[Any]:
    sides = [side(x) for side in equation.written(slip)]
    if len({side.shape for side in sides}) > 1:
        raise ValueError(f"sides of shapes {', '.join(str(side.shape) for side in sides)}; should be of one")
    return sides


def _drawn(rng: np.random.Generator, shape: str, sizes: Sizes) -> Number:
    return Numbers.given(rng.standard_normal([sizes[letter] for letter in shape]))


def _gap(left: Number, right: Number) -> Gap:
    apart = np.abs(left.value - right.value)
    size = max(float(np.max(np.real(side.size))) for side in (left, right))
    bound = left.bound + right.bound
    share = np.zeros_like(apart)
    with np.errstate(divide="ignore"):  # what takes no rounding has a bound of 0
        np.divide(apart, bound, out=share, where=apart != 0)
    return Gap(float(apart.max()) / size, float(share.max()))


def _named(name: str, shape: str, turned: bool) -> Word:
    moves, base = ("d", name[1:]) if name.startswith("d") else ("", name)
    return Word(f"{moves}{LETTERS.get(base, base)}{'̃' * turned}", (shape[0], shape[1]))
