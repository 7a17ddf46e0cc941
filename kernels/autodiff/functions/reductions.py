"""Sums over axes, and what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kernels.autodiff.functions.elementwise import absolute
from kernels.autodiff.tape import function

if TYPE_CHECKING:
    from kernels.autodiff.functions.arithmetic import Ruled
    from kernels.autodiff.tensor import Tensor

Dims = int | Sequence[int] | None


def kept(a: Tensor, dim: Dims) -> tuple[int, ...]:
    """The shape of a sum over those axes, with length 1 in their place."""
    over = range(a.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    gone = {axis % a.ndim for axis in over}
    return tuple(1 if axis in gone else length for axis, length in enumerate(a.shape))


def _axis(dim: Dims) -> int | tuple[int, ...] | None:
    return dim if dim is None or isinstance(dim, int) else tuple(dim)


@function
def sum(a: Tensor, dim: Dims = None, keepdim: bool = False) -> Ruled:
    """Σ a over the axes `dim` (None: all): each term has the derivative of the sum"""
    return a.array.sum(axis=_axis(dim), keepdims=keepdim), (lambda g, _: g.reshape(kept(a, dim)).broadcast_to(a.shape),)


def mean(a: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Σ a / count"""
    _of_floats("mean", a)
    return sum(a, dim, keepdim) / (a.array.size / _count(kept(a, dim)))


def _of_floats(name: str, a: Tensor) -> None:
    if a.array.dtype.kind not in "fc":
        raise RuntimeError(f"{name}: of {a.dtype}; should be floating-point, as by float()")


def _count(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape))


def var(a: Tensor, dim: Dims = None, correction: float = 1, keepdim: bool = False) -> Tensor:
    """Σ (a − mean)² / (count − correction)"""
    _of_floats("var", a)
    off = a - mean(a, dim, True)
    return sum(off * off, dim, keepdim) / (a.array.size / _count(kept(a, dim)) - correction)


def std(a: Tensor, dim: Dims = None, correction: float = 1, keepdim: bool = False) -> Tensor:
    """√var"""
    return var(a, dim, correction, keepdim).sqrt()


def norm(a: Tensor, p: float = 2, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """(Σ |a|ᵖ)^(1/p), with a derivative of 0 where it is 0"""
    total = sum(a * a if p == 2 else absolute(a) ** p, dim, keepdim)
    above = total.array > 0
    root = total.where(above, 1.0) ** (1 / p)
    return root.where(above, 0.0)


@function
def logsumexp(a: Tensor, dim: Dims, keepdim: bool = False) -> Ruled:
    """ln Σ eᵃ = c + ln Σ e^(a − c) with c = max a, so that nothing overflows: its derivative is softmax(a)"""
    x, axis = a.array, _axis(dim)
    c = x.real.max(axis=axis, keepdims=True)
    c = np.where(np.isfinite(c), c, 0).astype(x.dtype)  # where all are −∞, so is their sum
    with np.errstate(divide="ignore"):
        value = np.log(np.exp(x - c).sum(axis=axis, keepdims=True)) + c
    shape = kept(a, dim)
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
