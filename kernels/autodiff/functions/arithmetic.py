"""+ − × ÷ ** and @."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kernels.autodiff.kinds import default_dtype
from kernels.autodiff.tape import function

if TYPE_CHECKING:
    from kernels.autodiff.tape import Derivative
    from kernels.autodiff.tensor import Tensor

Ruled = tuple[NDArray[Any], tuple["Derivative", ...]]


def floating(x: NDArray[Any]) -> NDArray[Any]:
    """x, whole numbers in the default float type."""
    return x if x.dtype.kind in "fc" else x.astype(default_dtype())


def quietly(f: np.ufunc, *x: NDArray[Any]) -> NDArray[Any]:
    """f of arrays: infinities and NaN without a warning, as in PyTorch."""
    with np.errstate(all="ignore"):
        value: NDArray[Any] = f(*x)
    return value


@function
def add(a: Tensor, b: Tensor) -> Ruled:
    """a + b"""
    return a.array + b.array, (lambda g, _: g, lambda g, _: g)


@function
def subtract(a: Tensor, b: Tensor) -> Ruled:
    """a − b"""
    return a.array - b.array, (lambda g, _: g, lambda g, _: -g)


@function
def negative(a: Tensor) -> Ruled:
    """−a"""
    return -a.array, (lambda g, _: -g,)


@function
def multiply(a: Tensor, b: Tensor) -> Ruled:
    """a·b, element by element: (ab)′ = b·a′ + a·b′"""
    return a.array * b.array, (lambda g, _: g * b, lambda g, _: g * a)


@function
def divide(a: Tensor, b: Tensor) -> Ruled:
    """a/b: ∂/∂a = 1/b, ∂/∂b = −(a/b)/b"""
    return quietly(np.divide, floating(a.array), floating(b.array)), (
        lambda g, _: g / b,
        lambda g, quotient: -g * quotient / b,
    )


@function
def remainder(a: Tensor, b: Tensor) -> Ruled:
    """a − b·⌊a/b⌋: ∂/∂a = 1, ∂/∂b = −⌊a/b⌋"""
    return quietly(np.mod, a.array, b.array), (lambda g, _: g, lambda g, _: g * -np.floor_divide(a.array, b.array))


@function
def power(a: Tensor, b: Tensor) -> Ruled:
    """aᵇ: ∂/∂a = b·aᵇ⁻¹, 0 where b = 0; ∂/∂b = aᵇ·log a, 0 where a = 0 ≤ b"""

    def by_base(g: Tensor, _: Tensor) -> Tensor:
        return g * (b * a ** (b - 1).where(b.array != 0, 1.0))

    def by_exponent(g: Tensor, power: Tensor) -> Tensor:
        flat = (a.array == 0) & (b.array >= 0)
        return g * (power * a.where(~flat, 1.0).log())

    return quietly(np.power, a.array, b.array), (by_base, by_exponent)


@function
def _matmul(a: Tensor, b: Tensor) -> Ruled:
    if a.array.shape[-1] != b.array.shape[-2]:
        raise ValueError(f"{a.array.shape[-1]} numbers in a row, {b.array.shape[-2]} in a column; should be as many")
    return a.array @ b.array, (lambda g, _: _matmul(g, b.mT), lambda g, _: _matmul(a.mT, g))


def _same_type(name: str, a: Any, b: Any) -> None:
    """Raise TypeError where two tensors, or two types of floating-point numbers, would have to be made one."""
    given = [x.dtype for x in (a, b) if hasattr(x, "dtype") and x.dtype.kind != "c"]
    if len(given) == 2 and given[0] != given[1] and (isinstance(a, type(b)) or {kind.kind for kind in given} == {"f"}):
        raise TypeError(f"{name}: of {a.dtype} and {b.dtype}; should be the same, as by float() or double()")


def matmul(a: Any, b: Any) -> Tensor:
    """a @ b, of matrices, of stacks of them that broadcast, or of vectors: dC = dA·B + A·dB, so that Ā = C̄Bᵀ and B̄ = AᵀC̄"""
    _same_type("matmul", a, b)
    a_ndim, b_ndim = np.ndim(a), np.ndim(b)
    if a_ndim >= 2 and b_ndim >= 2:
        return _matmul(a, b)
    if a_ndim == 0 or b_ndim == 0:
        raise ValueError(f"matmul: of {a_ndim} and {b_ndim} dimensions; both should have at least one")
    product = _matmul(a[None, :] if a_ndim == 1 else a, b[:, None] if b_ndim == 1 else b)
    return product.squeeze(-2 if a_ndim == 1 and b_ndim > 1 else -1) if a_ndim + b_ndim > 2 else product.reshape(())


def rows_by_rows(a: Tensor, b: Tensor) -> Tensor:
    """a @ bᵀ, of samples a (…, n) and rows b (k, n): ā = C̄b and b̄ = C̄ᵀa, in the order in which b lies in memory"""
    _same_type("linear", a, b)
    return _rows_by_rows(a, b)


@function
def _rows_by_rows(a: Tensor, b: Tensor) -> Ruled:
    def samples(x: Tensor) -> Tensor:
        return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])

    return a.array @ b.array.T, (lambda g, _: g @ b, lambda g, _: samples(g).mT @ samples(a))
