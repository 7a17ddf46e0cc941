"""What is made of other functions, by PyTorch's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kernels.autodiff.functions.arithmetic import matmul, multiply
from kernels.autodiff.functions.elementwise import where
from kernels.autodiff.functions.shapes import unsqueeze
from kernels.autodiff.numbers import plain
from kernels.autodiff.tape import function

if TYPE_CHECKING:
    from kernels.autodiff.functions.arithmetic import Ruled
    from kernels.autodiff.tensor import Tensor


def square(a: Tensor) -> Tensor:
    """a²"""
    return multiply(a, a)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Σ aᵢbᵢ of two vectors"""
    if a.ndim != 1 or b.ndim != 1:
        raise ValueError(f"dot: of {a.shape} and {b.shape}; should be two vectors (of matrices: @)")
    return matmul(a, b)


def outer(a: Tensor, b: Tensor) -> Tensor:
    """aᵢbⱼ of two vectors"""
    return multiply(unsqueeze(a, 1), b)


def masked_fill(a: Tensor, mask: Any, value: float) -> Tensor:
    """a, but `value` where the mask is true"""
    return where(plain(mask), value, a)


def _below(a: Tensor, diagonal: int) -> NDArray[np.bool_]:
    return np.tri(a.shape[-2], a.shape[-1], diagonal, dtype=bool)


def tril(a: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of a matrix, up to that diagonal; 0 above it"""
    return where(_below(a, diagonal), a, 0.0)


def triu(a: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of a matrix, from that diagonal on; 0 below it"""
    return where(~_below(a, diagonal - 1), a, 0.0)


def split(a: Tensor, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of that length along an axis, the last may be shorter; or of those lengths"""
    length = a.shape[dim]
    sizes = (
        [min(split_size, length - at) for at in range(0, length, split_size)]
        if isinstance(split_size, int)
        else split_size
    )
    if sum(sizes) != length:
        raise ValueError(f"split_size: {list(sizes)} is {sum(sizes)} together; should be {length}, of shape {a.shape}")
    ends, before = np.cumsum(sizes).tolist(), (slice(None),) * (dim % a.ndim)
    return tuple(a[(*before, slice(end - size, end))] for size, end in zip(sizes, ends, strict=True))


def chunk(a: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """So many pieces along an axis, or fewer, of one length but for the last"""
    return split(a, -(-a.shape[dim] // chunks), dim)


def unbind(a: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """What is at each place along an axis"""
    before = (slice(None),) * (dim % a.ndim)
    return tuple(a[(*before, i)] for i in range(a.shape[dim]))


@function
def cumsum(a: Tensor, dim: int) -> Ruled:
    """Σ_{i ≤ j} aᵢ along an axis: ā is summed from the end"""
    backwards = (slice(None),) * (dim % a.ndim) + (slice(None, None, -1),)
    return a.array.cumsum(axis=dim), (lambda g, _: cumsum(g[backwards], dim)[backwards],)
