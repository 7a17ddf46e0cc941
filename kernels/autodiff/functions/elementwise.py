"""Functions of each number by itself: f(a)′ = f′(a)·a′."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, DTypeLike, NDArray

from kernels.autodiff.functions.arithmetic import floating, quietly
from kernels.autodiff.numbers import plain
from kernels.autodiff.tape import function

if TYPE_CHECKING:
    from kernels.autodiff.functions.arithmetic import Ruled
    from kernels.autodiff.tensor import Tensor


def _size(x: NDArray[Any]) -> NDArray[Any]:
    """|x|; of a complex x that or −x, so that a complex step goes through it."""
    size: NDArray[Any] = np.abs(x) if x.dtype.kind != "c" else np.where(x.real < 0, -x, x)
    return size


@function
def exp(a: Tensor) -> Ruled:
    """eᵃ, its own derivative"""
    return quietly(np.exp, floating(a.array)), (lambda g, out: g * out,)


@function
def log(a: Tensor) -> Ruled:
    """ln a: 1/a"""
    return quietly(np.log, floating(a.array)), (lambda g, _: g / a,)


@function
def log1p(a: Tensor) -> Ruled:
    """ln(1 + a), exact for small a: 1/(1 + a)"""
    return quietly(np.log1p, floating(a.array)), (lambda g, _: g / (1 + a),)


@function
def sqrt(a: Tensor) -> Ruled:
    """√a: 1/(2√a)"""
    return quietly(np.sqrt, floating(a.array)), (lambda g, out: g / (2 * out),)


@function
def expm1(a: Tensor) -> Ruled:
    """eᵃ − 1, exact for small a: eᵃ"""
    return quietly(np.expm1, floating(a.array)), (lambda g, out: g * (out + 1),)


@function
def erf(a: Tensor) -> Ruled:
    """2/√π ∫₀ᵃ exp(−t²) dt: 2/√π·exp(−a²)"""
    return scipy.special.erf(floating(a.array)), (lambda g, _: g * (-a * a).exp() * (2 / math.sqrt(math.pi)),)


@function
def sin(a: Tensor) -> Ruled:
    """sin a: cos a"""
    return quietly(np.sin, floating(a.array)), (lambda g, _: g * a.cos(),)


@function
def cos(a: Tensor) -> Ruled:
    """cos a: −sin a"""
    return quietly(np.cos, floating(a.array)), (lambda g, _: -g * a.sin(),)


@function
def tanh(a: Tensor) -> Ruled:
    """tanh a: 1 − tanh² a"""
    return quietly(np.tanh, floating(a.array)), (lambda g, out: g * (1 - out * out),)


@function
def sigmoid(a: Tensor) -> Ruled:
    """σ(a) = 1/(1 + e⁻ᵃ), by whichever of its two forms does not overflow: σ(1 − σ)"""
    x = floating(a.array)
    e = np.exp(-_size(x))
    return np.where(x.real >= 0, 1, e) / (1 + e), (lambda g, out: g * (out * (1 - out)),)


@function
def softplus(a: Tensor) -> Ruled:
    """ln(1 + eᵃ) = max(a, 0) + ln(1 + e^−|a|): σ(a)"""
    x = floating(a.array)
    return np.maximum(x, 0) + np.log1p(np.exp(-_size(x))), (lambda g, _: g * a.sigmoid(),)


@function
def relu(a: Tensor) -> Ruled:
    """max(a, 0): 1 where a > 0, else 0, at 0 too"""
    return np.maximum(a.array, 0), (lambda g, _: g * (a.array > 0),)


@function
def absolute(a: Tensor) -> Ruled:
    """|a|: the sign of a, 0 at 0"""
    return np.abs(a.array), (lambda g, _: g * np.sign(a.array),)


def _share(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """1 where a is larger, else 0; a half where they are the same"""
    return np.asarray((a > b) + 0.5 * (a == b), np.result_type(a, b, np.float32))


@function
def maximum(a: Tensor, b: Tensor) -> Ruled:
    """The larger of a and b: to that one goes the derivative, half to each where they are the same"""
    share = _share(a.array, b.array)
    return np.maximum(a.array, b.array), (lambda g, _: g * share, lambda g, _: g * (1 - share))


@function
def minimum(a: Tensor, b: Tensor) -> Ruled:
    """The smaller of a and b: to that one goes the derivative, half to each where they are the same"""
    share = _share(b.array, a.array)
    return np.minimum(a.array, b.array), (lambda g, _: g * share, lambda g, _: g * (1 - share))


@function
def clamp(a: Tensor, min: float | None = None, max: float | None = None) -> Ruled:
    """a, at least `min` and at most `max`: 1 where it is within them, or at one, else 0"""
    low, high = -np.inf if min is None else min, np.inf if max is None else max
    return np.clip(a.array, min, max), (lambda g, _: g * ((a.array >= low) & (a.array <= high)),)


def where(condition: ArrayLike | Tensor, a: Any, b: Any) -> Tensor:
    """a where the condition holds, else b: to that one goes the derivative"""
    return _where(a, b, condition=np.array(plain(condition), bool))


@function
def _where(a: Tensor, b: Tensor, condition: NDArray[Any]) -> Ruled:
    return np.where(condition, a.array, b.array), (
        lambda g, _: g.where(condition, 0.0),
        lambda g, _: g.where(~condition, 0.0),
    )


@function
def to(a: Tensor, dtype: DTypeLike) -> Ruled:
    """a as numbers of another type; its derivative takes the type of a"""
    own = a.array.dtype
    return a.array.astype(dtype), (lambda g, _: g.to(own),)


@function
def clone(a: Tensor) -> Ruled:
    """a, in memory of its own"""
    return a.array.copy(), (lambda g, _: g,)
