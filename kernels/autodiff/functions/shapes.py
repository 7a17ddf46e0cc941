"""The same numbers in another shape: the derivative goes back to the shape that they had."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from kernels.autodiff.tape import function

if TYPE_CHECKING:
    from kernels.autodiff.functions.arithmetic import Ruled
    from kernels.autodiff.tensor import Tensor


@function
def reshape(a: Tensor, shape: Sequence[int]) -> Ruled:
    """The numbers in their order, in another shape, −1 for the length that follows from the others"""
    before = a.array.shape
    return a.array.reshape(shape), (lambda g, _: g.reshape(before),)


@function
def permute(a: Tensor, dims: Sequence[int]) -> Ruled:
    """Its axes in that order"""
    back = np.argsort(np.mod(dims, a.ndim))
    return a.array.transpose(dims), (lambda g, _: g.permute(*back),)


@function
def transpose(a: Tensor, dim0: int, dim1: int) -> Ruled:
    """Two axes exchanged"""
    return a.array.swapaxes(dim0, dim1), (lambda g, _: transpose(g, dim0, dim1),)


@function
def broadcast_to(a: Tensor, shape: Sequence[int]) -> Ruled:
    """Repeated along the axes that it lacks, or in which it has length 1; the tape sums the derivative over them"""
    return np.broadcast_to(a.array, shape), (lambda g, _: g,)


def sum_to_size(a: Tensor, shape: Sequence[int]) -> Tensor:
    """Summed over the axes that `broadcast_to` would have repeated it along, to make it what it is from that shape"""
    return a if a.array.shape == tuple(shape) else _sum_to_size(a, shape=tuple(shape))


@function
def _sum_to_size(a: Tensor, shape: tuple[int, ...]) -> Ruled:
    added = a.ndim - len(shape)
    repeated = [added + axis for axis, length in enumerate(shape) if length == 1]
    summed, before = a.array.sum(axis=(*range(added), *repeated), keepdims=True), a.array.shape
    return summed.reshape(shape), (lambda g, _: g.broadcast_to(before),)


def squeeze(a: Tensor, dim: int | None = None) -> Tensor:
    """Without the axes of length 1, or without that one, if it has length 1"""
    if dim is not None:
        _place(a, dim, a.ndim)
    gone = {axis for axis in range(a.ndim) if a.shape[axis] == 1 and (dim is None or axis == dim % a.ndim)}
    return a.reshape([length for axis, length in enumerate(a.shape) if axis not in gone])


def unsqueeze(a: Tensor, dim: int) -> Tensor:
    """With an axis of length 1 more, there"""
    _place(a, dim, a.ndim + 1)
    shape = list(a.shape)
    shape.insert(dim if dim >= 0 else dim + a.ndim + 1, 1)
    return a.reshape(shape)


def _place(a: Tensor, dim: int, count: int) -> None:
    if not -max(count, 1) <= dim < max(count, 1):
        raise IndexError(f"dim: {dim}, of shape {a.shape}; should be in {-count}..{count - 1}")


def along(a: Tensor, dim: int, at: Any) -> tuple[Any, ...]:
    """The index that takes `at` along one axis, and all of the axes before and after it."""
    return (*(slice(None),) * (dim % a.ndim), at)


def flat(sizes: Sequence[Any]) -> tuple[int, ...]:
    """(2, 3) from 2, 3 or from (2, 3)"""
    return tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], Integral) else tuple(sizes)
