"""Sums over axes, and what is made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kernels.autodiff.functions.elementwise import absolute
from kernels.autodiff.tape import function

if TYPE_CHECKING:
    from kernels.autodiff.functions.arithmetic import Ruled
    from kernels.autodiff.tensor import Tensor

Dims = int | Sequence[int] | None


def kept(shape: tuple[int, ...], dim: Dims) -> tuple[int, ...]:
    """The shape of a sum over those axes, with length 1 in their place."""
    over = range(len(shape)) if _axis(dim) is None else [dim] if isinstance(dim, int) else dim
    gone = {axis % (len(shape) or 1) for axis in over or ()}
    return tuple(1 if axis in gone else length for axis, length in enumerate(shape))


def _axis(dim: Dims) -> int | tuple[int, ...] | None:
    """As NumPy has it; no axes are all of them, as in PyTorch."""
    return dim if dim is None or isinstance(dim, int) else tuple(dim) or None


@function
def sum(a: Tensor, dim: Dims = None, keepdim: bool = False) -> Ruled:
    """Σ a over the axes `dim` (None: all): each term has the derivative of the sum"""
    shape, kind = a.array.shape, a.array.dtype.kind
    value = a.array.sum(axis=_axis(dim), keepdims=keepdim, dtype=np.int64 if kind in "biu" else None)
    return value, (lambda g, _: _spread(g, shape, dim),)


def _spread(g: Tensor, shape: tuple[int, ...], dim: Dims) -> Tensor:
    """What each sum has, at each of its terms"""
    return (g.reshape(kept(shape, dim)) if g.ndim else g).broadcast_to(shape)


@function
def mean(a: Tensor, dim: Dims = None, keepdim: bool = False) -> Ruled:
    """Σ a / count: each term has its share of the derivative"""
    _of_floats("mean", a)
    shape, count = a.array.shape, _count(a, dim)
    with np.errstate(all="ignore"):  # of nothing it is NaN, as in PyTorch
        value = a.array.sum(axis=_axis(dim), keepdims=keepdim) / count
    return value, (lambda g, _: _spread(g / count, shape, dim),)


def _of_floats(name: str, a: Tensor) -> None:
    if a.array.dtype.kind not in "fc":
        raise RuntimeError(f"{name}: of {a.dtype}; should be floating-point, as by float()")


def _count(a: Tensor, dim: Dims) -> int:
    """How many numbers each sum is over."""
    if _axis(dim) is None:
        return a.array.size
    return math.prod(length for length, one in zip(a.shape, kept(a.shape, dim), strict=True) if one == 1)


def var(a: Tensor, dim: Dims = None, correction: float = 1, keepdim: bool = False) -> Tensor:
    """Σ (a − mean)² / (count − correction)"""
    _of_floats("var", a)
    off = a - mean(a, dim, True)
    return sum(off * off, dim, keepdim) / (_count(a, dim) - correction)


def std(a: Tensor, dim: Dims = None, correction: float = 1, keepdim: bool = False) -> Tensor:
    """√var, with a derivative of 0 at 0"""
    return _root(var(a, dim, correction, keepdim), 0.5)


def _root(a: Tensor, power: float) -> Tensor:
    """aᵖ, with a derivative of 0 where it is 0"""
    above = a.array != 0
    return (a.where(above, 1.0) ** power).where(above, 0.0)


def norm(a: Tensor, p: float = 2, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """(Σ |a|ᵖ)^(1/p), with a derivative of 0 where it is 0"""
    if not 0 < p < math.inf:
        raise ValueError(f"p: {p}; should be finite and above 0 (of the largest: x.abs().max())")
    return _root(sum(a * a if p == 2 else absolute(a) ** p, dim, keepdim), 1 / p)


@function
def logsumexp(a: Tensor, dim: Dims, keepdim: bool = False) -> Ruled:
    """ln Σ eᵃ = c + ln Σ e^(a − c) with c = max a, so that nothing overflows: its derivative is softmax(a)"""
    x, axis = a.array, _axis(dim)
    c = x.real.max(axis=axis, keepdims=True)
    c = np.where(np.isfinite(c), c, 0).astype(x.dtype)  # where all are −∞, so is their sum
    with np.errstate(divide="ignore"):
        value = np.log(np.exp(x - c).sum(axis=axis, keepdims=True)) + c
    shape = kept(a.shape, dim)
    return value if keepdim else value.squeeze(axis), (
        lambda g, out: g.reshape(shape) * (a - out.reshape(shape)).exp(),
    )


@function
def softmax(a: Tensor, dim: int) -> Ruled:
    """z = eᵃ / Σ eᵃ along one axis: ā = z·(g − Σ g·z)"""
    e = np.exp(a.array - a.array.real.max(axis=dim, keepdims=True))
    return e / e.sum(axis=dim, keepdims=True), (lambda g, z: z * (g - (g * z).sum(dim, True)),)


@function
def log_softmax(a: Tensor, dim: int) -> Ruled:
    """a − ln Σ eᵃ along one axis: ā = g − softmax(a)·Σ g"""
    off = a.array - a.array.real.max(axis=dim, keepdims=True)
    return off - np.log(np.exp(off).sum(axis=dim, keepdims=True)), (lambda g, out: g - out.exp() * g.sum(dim, True),)
