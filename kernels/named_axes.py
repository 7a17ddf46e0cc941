"""Matrices whose axes have names: products that say what they are, and refuse what does not fit, whatever the sizes."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONVENTIONS = ("rows", "columns")
WORDS = {"m": "samples", "n": "features", "k": "classes"}
# What results are called in the notes (3rd element; 1, sections 7.3 and 8).
RESULTS = {
    unicodedata.normalize("NFD", formula): unicodedata.normalize("NFD", name)
    for name, formulas in {
        "H": ["Xθ"], "H̃": ["θᵀX̃"], "Δ": ["Z − Y"], "Δ̃": ["Z̃ − Ỹ"], "∂ℓ/∂θ": ["XᵀΔ", "Xᵀ(Z − Y)", "X̃Δ̃ᵀ", "X̃(Z̃ − Ỹ)ᵀ"],
    }.items()
    for formula in formulas
}  # fmt: skip


class Sheet:
    """The sizes of axes, where they are known, and a line for each matrix and each product, as they come."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self._made: dict[tuple[str, str], Matrix] = {}

    def write(self, made: Matrix, of: str = "") -> None:
        """A line for a matrix, once; `of`: the shapes that it was made of."""
        self._made.setdefault((made.bare, of), made)

    def lines(self) -> list[tuple[str, str, str]]:
        """What each matrix is called, its shape with the sizes that are known by now, and its axes in words."""
        return [
            (
                f"{RESULTS[name]} = {name}" if name in RESULTS else name,
                of + made.sized,
                " × ".join(WORDS[axis] for axis in made.axes) + ", as θ" * (bool(of) and made.axes == ("n", "k")),
            )
            for (name, of), made in self._made.items()
        ]

    def __repr__(self) -> str:
        lines = self.lines()
        widths = [max((_width(line[column]) for line in lines), default=0) for column in (0, 1)]
        cells = [
            [text + " " * (width - _width(text)) for text, width in zip(line, widths, strict=False)] for line in lines
        ]
        return "\n".join("    ".join([*padded, line[2]]) for padded, line in zip(cells, lines, strict=True))


@dataclass(frozen=True)
class Factor:
    """X as it is written, and X̃ = Xᵀ, as the other convention has it (None: it knows no convention)."""

    name: str
    other: str | None
    turned: bool = False

    def __str__(self) -> str:
        return self.name + "ᵀ" * self.turned

    @property
    def T(self) -> Factor:
        return Factor(self.name, self.other, not self.turned)

    def across(self) -> Factor:
        return self if self.other is None else Factor(self.other, self.name, not self.turned)


@dataclass(frozen=True, eq=False, repr=False)
class Matrix:
    """A product of factors, with two named axes. `convention`: where its samples lie; None for what has none, as θ."""

    factors: tuple[Factor, ...]
    axes: tuple[str, str]
    convention: str | None
    sheet: Sheet
    array: NDArray[Any] | None = None

    __array_ufunc__ = None  # NumPy leaves `array @ matrix` to us

    @property
    def name(self) -> str:
        return "".join(map(str, self.factors))

    @property
    def bare(self) -> str:
        """The name, without the parentheses that it would need among factors."""
        whole_name = len(self.factors) == 1 and self.name.startswith("(") and self.name.endswith(")")
        return self.name[1:-1] if whole_name else self.name

    @property
    def letters(self) -> str:
        return f"({', '.join(self.axes)})"

    @property
    def named(self) -> str:
        return f"{self.bare} {self.letters}"

    @property
    def sized(self) -> str:
        """`(m, n) = (600, 20)`, or `(m, n)` while the sizes are open."""
        sizes = [self.sheet.sizes.get(axis) for axis in self.axes]
        return self.letters if None in sizes else f"{self.letters} = ({sizes[0]}, {sizes[1]})"

    @property
    def T(self) -> Matrix:
        turned = tuple(factor.T for factor in reversed(self.factors))
        array = None if self.array is None else self.array.T
        return Matrix(turned, (self.axes[1], self.axes[0]), self.convention, self.sheet, array)

    def within(self, convention: str) -> Matrix:
        """The same matrix as that convention writes it: X (m, n) is X̃ᵀ in columns."""
        if self.convention in (None, convention):
            return self
        factors = tuple(factor.across() for factor in self.factors)
        return Matrix(factors, self.axes, convention, self.sheet, self.array)

    def __matmul__(self, other: Matrix) -> Matrix:
        """The product. Raises ValueError, in one line, where it mixes conventions, or inner axes differ in name or size."""
        if not isinstance(other, Matrix):
            raise _nameless(other)
        _unmixed(self, other, "multiply")
        if self.axes[1] != other.axes[0]:
            inner, outer = (f"{axis} ({WORDS[axis]})" for axis in (self.axes[1], other.axes[0]))
            fitting = _told(_fitting(self, other))
            raise ValueError(
                f"{self.name}{other.name}: {self.letters}{other.letters}, and {inner} are not {outer}; "
                + (f"what fits is {fitting}" if fitting else "no transposes fit: they share no axis")
            )
        _agree(self, other)
        axes, factors = (self.axes[0], other.axes[1]), self.factors + other.factors
        convention = self.convention or other.convention
        if convention and "m" not in axes:  # samples have been summed over
            convention, factors = None, (Factor(f"({self.name}{other.name})", None),)
        array = None if self.array is None or other.array is None else self.array @ other.array
        made = Matrix(factors, axes, convention, self.sheet, array)
        self.sheet.write(made, f"{self.letters}{other.letters} → ")
        return made

    def __rmatmul__(self, other: object) -> Matrix:
        """Never a product: what stands on the left is no matrix of ours. Raises ValueError."""
        raise _nameless(other)

    def __add__(self, other: Matrix) -> Matrix:
        """The sum. Raises ValueError, in one line, where it mixes conventions, or axes differ in name or size."""
        return self._with(other, "+", np.add)

    def __sub__(self, other: Matrix) -> Matrix:
        """The difference; raises as the sum does."""
        return self._with(other, "−", np.subtract)

    def __mul__(self, other: Matrix | float) -> Matrix:
        """A number of times it; or Hadamard's product, entry by entry, which raises as the sum does."""
        return self._times(other) if isinstance(other, Real) else self._with(other, "∘", np.multiply)  # type: ignore[arg-type]

    def __rmul__(self, number: float) -> Matrix:
        """A number of times it."""
        if not isinstance(number, Real):
            raise _nameless(number)
        return self._times(number)

    def __neg__(self) -> Matrix:
        """Less than nothing by as much."""
        return self._named(lambda matrix: f"(−{matrix.name})", np.negative)

    def __truediv__(self, number: float) -> Matrix:
        """It, divided by a number, as by the samples of a mean."""
        if not isinstance(number, Real):
            raise ValueError(f"{self.bare}: divided by a {type(number).__name__}; should be by a number")
        return self._named(lambda matrix: f"({matrix.name}/{number:g})", lambda array: array / number)

    def _times(self, number: Real) -> Matrix:
        return self._named(lambda matrix: f"({number:g}·{matrix.name})", lambda array: number * array)

    def _named(self, name: Callable[[Matrix], str], change: Callable[[Any], Any]) -> Matrix:
        """What comes of a change to each entry, in either convention."""
        array = None if self.array is None else change(self.array)
        made = Matrix((Factor(name(self), self._across(name)),), self.axes, self.convention, self.sheet, array)
        self.sheet.write(made)
        return made

    def _across(self, name: Callable[[Matrix], str]) -> str | None:
        """What the other convention calls something that it makes of this one's transpose."""
        if self.convention is None:
            return None
        return name(self.T.within("columns" if self.convention == "rows" else "rows"))

    def _with(self, other: Matrix, sign: str, join: Callable[[Any, Any], Any]) -> Matrix:
        if not isinstance(other, Matrix):
            raise _nameless(other)
        _unmixed(self, other, {"+": "add", "−": "subtract", "∘": "multiply entries"}[sign])
        if self.axes != other.axes:
            raise ValueError(
                f"{self.bare} {sign} {other.bare}: {self.letters} and {other.letters}; should be the same axes"
            )
        _agree(self, other)
        here, there = f"({self.bare} {sign} {other.name})", None
        if self.convention:
            turned = "columns" if self.convention == "rows" else "rows"
            there = f"({self.T.within(turned).bare} {sign} {other.T.within(turned).name})"
        array = None if self.array is None or other.array is None else join(self.array, other.array)
        made = Matrix((Factor(here, there),), self.axes, self.convention, self.sheet, array)
        self.sheet.write(made)
        return made

    def __repr__(self) -> str:
        return f"{self.bare} {self.sized}"


def _width(text: str) -> int:
    """How many columns it takes on a screen."""
    return sum(not unicodedata.combining(character) for character in text)


def _nameless(other: object) -> ValueError:
    should = "should be a matrix of Shapes, as in Shapes('rows', X=array)"
    return ValueError(f"{type(other).__name__}: its axes have no names; {should}")


def _fitting(left: Matrix, right: Matrix) -> list[tuple[Matrix, Matrix]]:
    """These matrices or their transposes, as few as can be, where inner axes are the same."""
    pairs = [(left, right), (left.T, right), (left, right.T), (left.T, right.T)]
    return [(a, b) for a, b in pairs if a.axes[1] == b.axes[0]]


def _told(pairs: list[tuple[Matrix, Matrix]]) -> str:
    """`Xθ: (m, n)(n, k) → (m, k)`, and others."""
    texts = [f"{a.name}{b.name}: {a.letters}{b.letters} → ({a.axes[0]}, {b.axes[1]})" for a, b in pairs]
    return " or ".join(dict.fromkeys(texts))


def _unmixed(left: Matrix, right: Matrix, do: str) -> None:
    """Raise ValueError where one has samples in rows, the other in columns; with what would fit in each convention."""
    if None in (left.convention, right.convention) or left.convention == right.convention:
        return
    ways = []
    for convention in CONVENTIONS:
        pair = left.within(convention), right.within(convention)
        if do == "multiply":
            ways.append(f"in {convention} {_told(_fitting(*pair))}")
        else:
            a, b = pair if left.axes == right.axes else (pair[0], pair[1].T)
            if a.factors[-1].turned and b.factors[-1].turned:  # as that convention would write it
                a, b = a.T, b.T
            ways.append(f"in {convention} {a.named} and {b.named}")
    raise ValueError(
        f"{left.named} has samples in {left.convention}, {right.named} in {right.convention}: {do} within one convention, "
        + ", ".join(ways)
    )


def _agree(left: Matrix, right: Matrix) -> None:
    """The sheets' sizes, joined. Raises ValueError where an axis is longer on one than on the other: they are of other data."""
    ours, theirs = left.sheet.sizes, right.sheet.sizes
    for axis, size in ours.items():
        if theirs.get(axis, size) != size:
            raise ValueError(
                f"{left.named} comes from {size} {WORDS[axis]}, {right.named} from {theirs[axis]}; should be as many"
            )
    ours |= theirs
