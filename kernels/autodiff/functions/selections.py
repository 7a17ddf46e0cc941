"""Some of the numbers of a tensor, or those of several together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kernels.autodiff.functions.elementwise import maximum, minimum
from kernels.autodiff.functions.shapes import along
from kernels.autodiff.numbers import plain
from kernels.autodiff.tape import function

if TYPE_CHECKING:
    from kernels.autodiff.functions.arithmetic import Ruled
    from kernels.autodiff.tensor import Tensor


class Found(NamedTuple):
    """Values along an axis, and where they are: of an extreme the first place (PyTorch's `torch.return_types`)."""

    values: Tensor
    indices: Tensor


@function
def index(a: Tensor, at: Any) -> Ruled:
    """a[at], for slices, numbers, masks and arrays of numbers: what was taken twice has both derivatives"""
    shape, at = a.array.shape, _own(at)
    return a.array[at], (lambda g, _: put(g, shape, at),)


_at = index  # where a parameter has that name


@function
def put(a: Tensor, shape: tuple[int, ...], at: Any) -> Ruled:
    """Zeros of that shape, with a added at [at]; the transpose of taking them"""
    whole = np.zeros(shape, a.array.dtype)
    if _once(at):
        whole[at] = a.array
    else:
        np.add.at(whole, at, a.array)
    return whole, (lambda g, _: g[at],)


@function
def replace(a: Tensor, value: Tensor, at: Any) -> Ruled:
    """a with other numbers at [at]: to those goes the derivative there, to a the rest"""
    whole, at = a.array.copy(), _own(at)
    whole[at] = value.array
    return whole, (lambda g, _: replace(g, 0.0, at=at), lambda g, _: g[at])


def _own(at: Any) -> Any:
    """The same place; arrays of numbers may change meanwhile, and are copied."""
    if isinstance(at, tuple):
        return tuple(map(_own, at))
    return at.copy() if isinstance(at, np.ndarray) else at


def _once(at: Any) -> bool:
    """Whether no number can be taken twice: by slices, numbers and masks."""
    parts = at if isinstance(at, tuple) else (at,)
    return all(
        part is None
        or part is Ellipsis
        or isinstance(part, (slice, int, np.integer))
        or (isinstance(part, np.ndarray) and part.dtype == bool)
        for part in parts
    )


@function
def _of_all(a: Tensor, largest: bool) -> Ruled:
    value = a.array.max() if largest else a.array.min()
    share = (a.array == value) / (a.array == value).sum()  # of several largest, each has its part
    return np.asarray(value), (lambda g, _: g * share.astype(g.dtype),)


def gather(a: Tensor, dim: int, index: Any) -> Tensor:
    """The numbers of a at the places `index` along one axis, in the shape of `index`"""
    place = np.asarray(plain(index))
    if place.size and not (place.min() >= 0 and place.max() < a.shape[dim]):
        raise IndexError(f"index: {place.min()}..{place.max()}; should be in 0..{a.shape[dim] - 1}, of shape {a.shape}")
    at: list[Any] = list(np.ogrid[tuple(map(slice, place.shape))])
    at[dim] = place
    return _at(a, at=tuple(at))


def argsort(a: Tensor, dim: int = -1, descending: bool = False) -> Tensor:
    """Where the numbers of a are in their order along an axis; equal ones stay in theirs"""
    if not descending:
        return a.of(np.argsort(a.array, axis=dim, kind="stable"))
    backwards = np.argsort(np.flip(a.array, dim), axis=dim, kind="stable")  # NaN comes first then, as in PyTorch
    return a.of(np.flip(a.array.shape[dim] - 1 - backwards, dim).copy())


def sort(a: Tensor, dim: int = -1, descending: bool = False) -> Found:
    """The numbers of a in their order along an axis, with where they are"""
    place = argsort(a, dim, descending)
    return Found(gather(a, dim, place), place)


def topk(a: Tensor, k: int, dim: int = -1, largest: bool = True) -> Found:
    """The k largest along an axis, or the smallest, in their order, with where they are"""
    if not 0 <= k <= a.shape[dim]:
        raise ValueError(f"k: {k}; should be in 0..{a.shape[dim]}, of shape {a.shape}")
    place = argsort(a, dim, largest)[along(a, dim, slice(k))]
    return Found(gather(a, dim, place), place)


def max(a: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest of all; along an axis, with where it is; of two tensors, `maximum`. To several the derivative goes in parts"""
    if hasattr(dim, "shape") and not isinstance(dim, np.integer):
        return maximum(a, dim)
    return _found(a, dim, keepdim, True)


def min(a: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest of all; along an axis, with where it is; of two tensors, `minimum`. To several the derivative goes in parts"""
    if hasattr(dim, "shape") and not isinstance(dim, np.integer):
        return minimum(a, dim)
    return _found(a, dim, keepdim, False)


def _found(a: Tensor, dim: int | None, keepdim: bool, largest: bool) -> Any:
    if dim is None:
        return _of_all(a, largest=largest)
    place = (np.argmax if largest else np.argmin)(a.array, axis=dim, keepdims=True)
    found = Found(gather(a, dim, place), a.of(place))
    return found if keepdim else Found(*(each.squeeze(dim) for each in found))


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape, side by side along a new axis"""
    return concatenate([tensor.unsqueeze(dim) for tensor in tensors], dim)


def concatenate(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors one after another along an axis"""
    return _concatenate(*tensors, dim=dim)


@function
def _concatenate(*tensors: Tensor, dim: int) -> Ruled:
    ends = np.cumsum([tensor.shape[dim] for tensor in tensors])

    def part(start: int, stop: int) -> Any:
        return lambda g, _: g[along(g, dim, slice(start, stop))]

    starts = [0, *ends[:-1]]
    value = np.concatenate([tensor.array for tensor in tensors], axis=dim)
    return value, tuple(part(int(start), int(stop)) for start, stop in zip(starts, ends, strict=True))
