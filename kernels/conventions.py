"""X (m, n) or X̃ = Xᵀ (n, m)? Matrices with named axes that know where samples lie: shapes line by line, no mixed products.

>>> from kernels.conventions import Shapes
>>> s = Shapes("rows", m=600, n=20, k=3)
>>> H = s.X @ s.theta
>>> gradient = s.X.T @ (s.Z - s.Y)
>>> print(s)
samples in rows
X                    (m, n) = (600, 20)                  samples × features
θ                    (n, k) = (20, 3)                    features × classes
H = Xθ               (m, n)(n, k) → (m, k) = (600, 3)    samples × classes
Z                    (m, k) = (600, 3)                   samples × classes
Y                    (m, k) = (600, 3)                   samples × classes
Δ = Z − Y            (m, k) = (600, 3)                   samples × classes
∂ℓ/∂θ = Xᵀ(Z − Y)    (n, m)(m, k) → (n, k) = (20, 3)     features × classes, as θ
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kernels.check import whole
from kernels.named_axes import CONVENTIONS, WORDS, Factor, Matrix, Sheet

TILDE = "\N{COMBINING TILDE}"
# What is at hand: how it is written, and its axes with samples in rows. What has no samples is the same in columns.
GIVEN = {
    "X": ("X", ("m", "n")),
    "theta": ("θ", ("n", "k")),
    "H": ("H", ("m", "k")),
    "Z": ("Z", ("m", "k")),
    "Y": ("Y", ("m", "k")),
    "delta": ("Δ", ("m", "k")),
}


class Shapes(Sheet):
    """The matrices of a linear hypothesis, samples in `"rows"` or `"columns"`, with a line for each and for each product.

    `s.X s.theta s.H s.Z s.Y s.delta`. Sizes m (samples), n (features) and k (classes) may be left open. Arrays, `X=…`, are checked,
    set the sizes, and are computed with: `(s.X @ s.theta).array`. There is `@`, `+`, `−`, `.T`, a number times a matrix or a matrix
    divided by one, and Hadamard's `*`. Raises ValueError, in one line, for an array of another shape,
    for a size that is not a whole number of at least 1, and for an unknown convention or name.
    """

    def __init__(self, convention: str, **given: ArrayLike) -> None:
        if convention not in CONVENTIONS:
            raise ValueError(f"convention: {convention!r}; should be {' or '.join(CONVENTIONS)}")
        super().__init__()
        self.convention = convention
        self._matrices: dict[str, Matrix] = {}
        arrays = {name: value for name, value in given.items() if name not in WORDS}
        for axis in WORDS:
            if given.get(axis) is not None:
                self.sizes[axis] = whole(axis, given[axis])
        for name in arrays:
            if name not in GIVEN:
                raise ValueError(f"{name}: unknown; should be one of {', '.join([*WORDS, *GIVEN])}")
        self._arrays = {name: self._measured(name, value) for name, value in arrays.items()}

    def __getattr__(self, name: str) -> Matrix:
        if name not in GIVEN:
            raise AttributeError(f"{name}: unknown; should be one of {', '.join(GIVEN)}")
        if name not in self._matrices:
            written, axes = self._written(name)
            batch = self.convention if "m" in axes else None
            tilde = _other(written) if batch else None
            made = Matrix((Factor(written, tilde),), axes, batch, self, self._arrays.get(name))
            self._matrices[name] = made
            self.write(made)
        return self._matrices[name]

    def __repr__(self) -> str:
        return f"samples in {self.convention}\n{super().__repr__()}".rstrip()

    def _written(self, name: str) -> tuple[str, tuple[str, str]]:
        """How it is written in this convention, and its axes."""
        written, axes = GIVEN[name]
        turned = self.convention == "columns" and "m" in axes
        return (_other(written), axes[::-1]) if turned else (written, axes)

    def _measured(self, name: str, value: ArrayLike) -> NDArray[Any]:
        """The array, once its shape fits the sizes that are known; those that are not are its own."""
        array, (_, axes) = np.asarray(value), self._written(name)
        should = f"({', '.join(axes)})"
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{name}: {array.dtype}; should be numbers")
        if array.ndim != 2:
            raise ValueError(f"{name}: shape {array.shape}; should have two axes, {should}")
        sizes = tuple(self.sizes.get(axis, size) for axis, size in zip(axes, array.shape, strict=True))
        if sizes != array.shape:
            fits = all(self.sizes.get(axis, size) == size for axis, size in zip(axes, array.shape[::-1], strict=True))
            hint = "; its transpose would fit" * fits
            words = " × ".join(WORDS[axis] for axis in axes)
            raise ValueError(f"{name}: shape {array.shape}; should be {should} = {sizes}, {words}{hint}")
        self.sizes |= dict(zip(axes, array.shape, strict=True))
        return array


def _other(written: str) -> str:
    """X̃ for X, and X for X̃."""
    return written[:-1] if written.endswith(TILDE) else written + TILDE
