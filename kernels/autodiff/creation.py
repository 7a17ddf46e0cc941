"""Tensors from numbers, and from nothing: constants and ranges, by PyTorch's names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from kernels.autodiff.devices import placed
from kernels.autodiff.functions.shapes import flat
from kernels.autodiff.kinds import default_dtype
from kernels.autodiff.tensor import Tensor


def tensor(
    data: ArrayLike, *, dtype: DTypeLike | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of these numbers, copied: numbers become float32, whole ones int64, arrays keep their type."""
    kind = placed(device, dtype)
    if kind is None and not hasattr(data, "dtype"):
        own = np.asarray(data).dtype
        kind = own if own.kind in "biu" else None
    return Tensor(data, kind, requires_grad)


def from_numpy(array: NDArray[Any]) -> Tensor:
    """A tensor in the array's own memory."""
    return Tensor.of(array)


def as_tensor(data: Any, dtype: DTypeLike | None = None) -> Tensor:
    """The tensor itself, or one of these numbers, in an array's own memory where it can be."""
    if isinstance(data, Tensor):
        return data.to(dtype)
    return Tensor.of(np.asarray(data, dtype)) if hasattr(data, "dtype") else tensor(data, dtype=dtype)


def _kind(dtype: Any, device: Any) -> Any:
    kind = placed(device, dtype)
    return default_dtype() if kind is None else kind


def _constant(size: Any, value: float, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    kind = _kind(dtype, device)  # at once, so that nothing larger is made on the way
    return filled(np.full(size, value, kind), kind, None, requires_grad)


def filled(array: ArrayLike, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    """A tensor of these numbers, of that type or else the default one."""
    made = Tensor.of(np.asarray(array).astype(_kind(dtype, device), copy=False))
    return made.requires_grad_() if requires_grad else made


def zeros(*size: Any, dtype: DTypeLike | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros, in that shape."""
    return _constant(flat(size), 0, dtype, device, requires_grad)


def ones(*size: Any, dtype: DTypeLike | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones, in that shape."""
    return _constant(flat(size), 1, dtype, device, requires_grad)


def full(
    size: Any, fill_value: Any, dtype: DTypeLike | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """One number all over, in that shape; without a type it takes that of the number."""
    whole = isinstance(fill_value, (bool, int))
    return _constant(size, fill_value, type(fill_value) if dtype is None and whole else dtype, device, requires_grad)


def empty(*size: Any, dtype: DTypeLike | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Numbers to be overwritten, in that shape; here they are zeros."""
    return zeros(*size, dtype=dtype, device=device, requires_grad=requires_grad)


def eye(n: int, dtype: DTypeLike | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The unit matrix, (n, n)."""
    return filled(np.eye(n), dtype, device, requires_grad)


def arange(*bounds: Any, dtype: DTypeLike | None = None, device: Any = None) -> Tensor:
    """From the first number to below the second, by the third."""
    found = np.arange(*bounds)
    kind = placed(device, dtype)
    return Tensor.of(found.astype(kind or (default_dtype() if found.dtype.kind == "f" else found.dtype)))


def linspace(start: float, end: float, steps: int, dtype: DTypeLike | None = None, device: Any = None) -> Tensor:
    """So many numbers from the first to the last, evenly."""
    return filled(np.linspace(start, end, steps), dtype, device, False)


def zeros_like(like: Tensor, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Zeros, in the shape and type of another tensor."""
    return zeros(like.shape, dtype=dtype or like.dtype, requires_grad=requires_grad)


def ones_like(like: Tensor, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Ones, in the shape and type of another tensor."""
    return ones(like.shape, dtype=dtype or like.dtype, requires_grad=requires_grad)


def full_like(like: Tensor, fill_value: Any, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """One number all over, in the shape and type of another tensor."""
    return full(like.shape, fill_value, dtype=dtype or like.dtype, requires_grad=requires_grad)


empty_like = zeros_like
