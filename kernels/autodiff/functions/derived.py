"""What is made of other functions, by PyTorch's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from kernels.autodiff.functions.arithmetic import matmul, multiply
from kernels.autodiff.functions.elementwise import clone, where
from kernels.autodiff.functions.selections import put
from kernels.autodiff.functions.shapes import along, broadcast_to, flat, unsqueeze
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


def meshgrid(*tensors: Any, indexing: Literal["ij", "xy"] = "ij") -> tuple[Tensor, ...]:
    """A grid of the numbers of each vector: each along its own axis, and the same along the others; "xy" exchanges the first two"""
    if indexing not in ("ij", "xy"):
        raise ValueError(f"indexing: {indexing!r}; should be 'ij' or 'xy'")
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    shape = [a.numel() for a in given]
    grids = [
        broadcast_to(a.reshape([-1 if axis == i else 1 for axis in range(len(shape))]), shape)
        for i, a in enumerate(given)
    ]
    return tuple(grid.transpose(0, 1) if indexing == "xy" and len(shape) > 1 else grid for grid in grids)


def diag(a: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix; of a vector, the matrix that has it there and is 0 elsewhere"""
    if a.ndim == 2:
        return a[_diagonal(a.shape, diagonal)]
    size = len(a) + abs(diagonal)
    return put(a, (size, size), _diagonal((size, size), diagonal))


def _below(a: Tensor, diagonal: int) -> NDArray[np.bool_]:
    return np.tri(a.shape[-2], a.shape[-1], diagonal, dtype=bool)


def _diagonal(shape: Sequence[int], diagonal: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows and columns of the numbers in it."""
    rows = np.arange(shape[0])
    rows = rows[(rows + diagonal >= 0) & (rows + diagonal < shape[1])]
    return rows, rows + diagonal


def tril(a: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of a matrix, up to that diagonal; 0 above it"""
    return where(_below(a, diagonal), a, 0.0)


def triu(a: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of a matrix, from that diagonal on; 0 below it"""
    return where(~_below(a, diagonal - 1), a, 0.0)


def trace(a: Tensor) -> Tensor:
    """Σ aᵢᵢ of a matrix"""
    if a.ndim != 2:
        raise ValueError(f"trace: of shape {a.shape}; should be a matrix")
    return diag(a).sum()


def flip(a: Tensor, dims: Sequence[int]) -> Tensor:
    """Its numbers in reverse along those axes"""
    given = [dims] if isinstance(dims, int) else list(dims)
    if not all(-a.ndim <= dim < a.ndim for dim in given) or len({dim % a.ndim for dim in given}) < len(given):
        raise IndexError(f"dims: {given}, of shape {a.shape}; should be in {-a.ndim}..{a.ndim - 1}, each once")
    back = {dim % a.ndim for dim in given}
    return clone(a[tuple(slice(None, None, -1 if axis in back else None) for axis in range(a.ndim))])


def repeat(a: Tensor, *sizes: Any) -> Tensor:
    """So many copies of it along each axis, one after another; sizes may have axes more, in front"""
    times = flat(sizes)
    own = (1,) * (len(times) - a.ndim) + a.shape
    apart = [size for pair in zip(times, own, strict=True) for size in pair]
    whole = broadcast_to(a.reshape([size for length in own for size in (1, length)]), apart)
    return clone(whole.reshape([count * length for count, length in zip(times, own, strict=True)]))


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
    ends = np.cumsum(sizes).tolist()
    return tuple(a[along(a, dim, slice(end - size, end))] for size, end in zip(sizes, ends, strict=True))


def chunk(a: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """So many pieces along an axis, or fewer, of one length but for the last"""
    return split(a, -(-a.shape[dim] // chunks), dim)


def unbind(a: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """What is at each place along an axis"""
    return tuple(a[along(a, dim, i)] for i in range(a.shape[dim]))


@function
def cumsum(a: Tensor, dim: int) -> Ruled:
    """Σ_{i ≤ j} aᵢ along an axis: ā is summed from the end"""
    backwards = along(a, dim, slice(None, None, -1))
    return a.array.cumsum(axis=dim), (lambda g, _: cumsum(g[backwards], dim)[backwards],)
