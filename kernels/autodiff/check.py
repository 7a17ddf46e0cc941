"""Is a gradient right? Against differences, entry by entry: "check your answers numerically" (notes 2)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.autodiff import autograd, tape
from kernels.autodiff.tensor import Tensor

Array = NDArray[np.float64]
Value = Callable[[Sequence[Array]], float]

# Of a third of the digits: there what a central difference leaves out, h²f‴/6, is as small as what rounding does to it, ε|f|/h.
STEP = float(np.finfo(np.float64).eps) ** (1 / 3)
# The difference of the one-sided slopes falls as h where f is smooth; where it stays this much of what it was, there is a kink.
STAYS = 0.7
# One-sided slopes that differ by less than so much of the gradient are those of no kink.
KINK = 1e-3
SHOWN = 3


class GradientError(AssertionError):
    """A gradient is not that of its function."""


@dataclass(frozen=True)
class Entry:
    """One entry of one gradient: what it is, what differences say, and how sure they are."""

    input: int
    at: tuple[int, ...]
    gradient: float
    difference: float
    error: float  # of the difference, by its own account
    sides: tuple[float, float] | None = None  # at a kink: the slopes to the left and to the right

    @property
    def off(self) -> float:
        """By how much it is wrong; at a kink, by how much it is outside of the one-sided slopes."""
        if self.sides is None:
            return abs(self.gradient - self.difference)
        low, high = sorted(self.sides)
        return max(low - self.gradient, self.gradient - high, 0.0)

    def __str__(self) -> str:
        place = f"[{', '.join(map(str, self.at))}]" if self.at else ""
        says = (
            f"{self.difference:.8g}" if self.sides is None else f"between {self.sides[0]:.6g} and {self.sides[1]:.6g}"
        )
        factor = self.gradient / self.difference if self.sides is None and self.difference else 0.0
        times = f", {factor:.4g} times as large" if factor and abs(factor) < 1e6 else ""
        return f"x{self.input}{place} is {self.gradient:.8g}, and should be {says}: off by {self.off:.2g}{times}"


@dataclass(frozen=True)
class GradientCheck:
    """What was found: every entry, and the largest error relative to the largest entry."""

    entries: tuple[Entry, ...]
    scale: float

    @property
    def worst(self) -> float:
        """The largest error of an entry, relative to the largest entry of all."""
        return max((entry.off for entry in self.entries), default=0.0) / self.scale

    @property
    def kinks(self) -> tuple[Entry, ...]:
        """The entries along which the function has no derivative."""
        return tuple(entry for entry in self.entries if entry.sides is not None)

    def __str__(self) -> str:
        return (
            f"{len(self.entries)} entries, the worst off by {self.worst:.2g} of the largest; {len(self.kinks)} at kinks"
        )


def check_gradient(
    f: Callable[..., Tensor],
    x: Any,
    gradient: Any = None,
    rtol: float = 1e-6,
    seed: int = 0,
) -> GradientCheck:
    """Compare the gradient of f at x with central differences in float64, entry by entry.

    `f` takes tensors, `x` is one or a tuple of them (or arrays); all entries of f(x) are looked at through one random cotangent.
    `gradient`, if given, is tried in place of f's own, one for each input; f then has to be a single number. An entry is right if
    it is within `rtol` of the largest, beside what the differences may be off by themselves: (f(x+h) − f(x−h))/2h at h and 2h,
    extrapolated. Where the slopes to the left and right differ (a kink) it is right between them, and a warning says where.

    Raises GradientError with the worst entries, each with where it is, what it should be, and by how much it is wrong; or with the
    shape that a gradient has and should have.
    """
    if not rtol >= 0:
        raise ValueError(f"rtol: {rtol}; should be at least 0")
    xs = list(x) if _several(x) else [x]
    points = [np.array(part, np.float64) for part in xs]
    value, gradients = _own(f, points, seed)
    if gradient is not None:
        tried = list(gradient) if _several(x) else [gradient]
        gradients = [np.asarray(part, np.float64) for part in tried]
    for i, (point, own) in enumerate(zip(points, gradients, strict=True)):
        if own.shape != point.shape:
            raise GradientError(f"gradient: by x{i} has shape {own.shape}; should be {point.shape}, as x{i} itself")
    found = GradientCheck(
        tuple(_entries(value, points, gradients)), max([1e-300, *(np.abs(g).max(initial=0) for g in gradients)])
    )
    wrong = sorted((e for e in found.entries if not e.off <= rtol * found.scale + e.error), key=lambda e: -e.off)
    if wrong:
        more = f"; {len(wrong)} of {len(found.entries)} entries are wrong" if len(wrong) > SHOWN else ""
        raise GradientError(f"gradient: by {'; by '.join(map(str, wrong[:SHOWN]))}{more}")
    if found.kinks:
        first = found.kinks[0]
        warnings.warn(
            f"kink: {len(found.kinks)} of {len(found.entries)} entries have no derivative here, the first is {first}; any slope "
            "between the two is taken for right",
            stacklevel=2,
        )
    return found


def _several(x: object) -> bool:
    """Whether these are several inputs, and not the rows of one."""
    return isinstance(x, (tuple, list)) and any(isinstance(part, (Tensor, np.ndarray)) for part in x)


def _own(f: Callable[..., Tensor], points: Sequence[Array], seed: int) -> tuple[Value, list[Array]]:
    """Σ cotangent·f(x) as a function of arrays, and its gradient by the tape."""
    tensors = [Tensor(point, requires_grad=True) for point in points]
    y = f(*tensors)
    if not isinstance(y, Tensor):
        raise TypeError(f"f: gives a {type(y).__name__}; should give a tensor")
    cotangent = np.ones(()) if y.ndim == 0 else np.random.default_rng(seed).standard_normal(y.shape)

    def value(points: Sequence[Array]) -> float:
        with tape.no_grad():
            return float((f(*map(Tensor, points)).array * cotangent).sum())

    if not y.requires_grad:
        return value, [np.zeros_like(point) for point in points]
    found = autograd.grad(y, tensors, Tensor(cotangent.astype(y.dtype)), allow_unused=True)
    return value, [
        np.zeros_like(p) if g is None else np.asarray(g.array, np.float64) for p, g in zip(points, found, strict=True)
    ]


def _entries(value: Value, points: Sequence[Array], gradients: Sequence[Array]) -> Iterator[Entry]:
    middle = value(points)
    for i, point in enumerate(points):
        for at in np.ndindex(point.shape):
            h = STEP * max(1.0, abs(float(point[at])))
            down2, down, up, up2 = (value(_moved(points, i, at, steps * h)) for steps in (-2, -1, 1, 2))
            near, far = (up - down) / (2 * h), (up2 - down2) / (4 * h)
            rounding = np.finfo(np.float64).eps * max(abs(middle), abs(up), abs(down), abs(up2), abs(down2)) / h
            bend, bend2 = (up - 2 * middle + down) / h, (up2 - 2 * middle + down2) / (2 * h)  # right slope − left slope
            size = max(abs(near), abs(far), float(np.abs(gradients[i]).max()), 1e-300)
            kink = abs(bend) > max(KINK * size, 100 * rounding) and abs(bend) > STAYS * abs(bend2)
            sides = ((middle - down) / h, (up - middle) / h) if kink else None
            best = (4 * near - far) / 3
            yield Entry(i, at, float(gradients[i][at]), best, abs(best - near) + 4 * rounding, sides)


def _moved(points: Sequence[Array], i: int, at: tuple[int, ...], by: float) -> list[Array]:
    moved = list(points)
    moved[i] = points[i].copy()
    moved[i][at] += by
    return moved
