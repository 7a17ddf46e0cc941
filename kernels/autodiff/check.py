"""Is a gradient right? Against differences, entry by entry: "check your answers numerically" (notes 2)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernels.autodiff import autograd
from kernels.autodiff.differences import Array, Entry, GradientError, Value, differences
from kernels.autodiff.numbers import plain
from kernels.autodiff.tensor import Tensor

SHOWN = 3


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
    it is within `rtol` of itself, beside what the differences may be off by themselves: (f(x+h) − f(x−h))/2h at h and 2h,
    extrapolated, and the rounding of f, which is seen in fourth differences. Where the slopes to the left and right differ (a kink)
    it is right between them, and a warning says where.

    Raises GradientError with the worst entries, each with where it is, what it should be, and by how much it is wrong; with the
    shape that a gradient has and should have; or with where f jumps. Raises ValueError for an f that has no differences: random,
    not finite, or of too few digits.
    """
    if not rtol >= 0:
        raise ValueError(f"rtol: {rtol}; should be at least 0")
    xs = list(x) if _several(x) else [x]
    points = [np.array(plain(part), np.float64) for part in xs]
    if not sum(point.size for point in points):
        raise ValueError(f"x: {', '.join(str(point.shape) for point in points) or 'nothing'}; should have entries")
    value, gradients, single = _own(f, points, seed)
    if gradient is not None:
        tried = list(gradient) if _several(x) else [gradient]
        if len(tried) != len(points) or not single:
            given = f"{len(tried)} for {len(points)} inputs" if single else "given, though f has several numbers"
            raise ValueError(f"gradient: {given}; should be one for each input, of a single number")
        gradients = [np.asarray(plain(part), np.float64) for part in tried]
    for i, (point, own) in enumerate(zip(points, gradients, strict=True)):
        if own.shape != point.shape:
            raise GradientError(f"gradient: by x{i} has shape {own.shape}; should be {point.shape}, as x{i} itself")
    scale = max([1e-300, *(np.abs(g).max(initial=0) for g in gradients)])
    found = GradientCheck(tuple(differences(value, points, gradients)), scale)
    wrong = sorted((e for e in found.entries if not e.right(rtol)), key=lambda e: -e.off)
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


def _own(f: Callable[..., Tensor], points: Sequence[Array], seed: int) -> tuple[Value, list[Array], bool]:
    """Σ cotangent·f(x) as a function of arrays, its gradient by the tape, and whether f is a single number."""
    tensors = [Tensor(point, requires_grad=True) for point in points]
    y = f(*tensors)
    if not isinstance(y, Tensor):
        raise TypeError(f"f: gives a {type(y).__name__}; should give a tensor")
    cotangent = np.ones(()) if y.ndim == 0 else np.random.default_rng(seed).standard_normal(y.shape)

    def value(points: Sequence[Array]) -> float:
        tried = f(*[Tensor(point, requires_grad=True) for point in points])  # f may ask for gradients itself
        return float((tried.array * cotangent).sum())

    if not y.requires_grad:
        return value, [np.zeros_like(point) for point in points], y.array.size == 1
    found = autograd.grad(y, tensors, Tensor(cotangent.astype(y.dtype)), allow_unused=True)
    own = [
        np.zeros_like(p) if g is None else np.asarray(g.array, np.float64) for p, g in zip(points, found, strict=True)
    ]
    return value, own, y.array.size == 1
