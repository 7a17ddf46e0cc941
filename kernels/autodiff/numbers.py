"""What is in a tensor, and how it shows: its numbers as an array, as lists, as one; their shape and type; comparisons."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from kernels.autodiff.kinds import default_dtype

if TYPE_CHECKING:
    from kernels.autodiff.tensor import Tensor


class Numbers:
    """A base of `Tensor`."""

    __slots__ = ()

    @property
    def data(self: Tensor) -> Tensor:
        """The same numbers, in the same memory, without a tape; what changes them in place here is not noticed there."""
        return self.detach()

    @data.setter
    def data(self: Tensor, value: Tensor | ArrayLike) -> None:
        self.array = np.asarray(plain(value))

    def numpy(self: Tensor) -> NDArray[Any]:
        """The array, in the same memory."""
        if self.requires_grad:
            raise RuntimeError("numpy: of a tensor that requires grad; use tensor.detach().numpy()")
        return self.array

    def __array__(self: Tensor, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.numpy(), dtype, copy=copy)

    def item(self: Tensor) -> Any:
        """The one number in it."""
        if self.array.size != 1:
            raise RuntimeError(f"item: of a tensor of shape {self.array.shape}; should hold one number")
        return self.array.item()

    def tolist(self: Tensor) -> Any:
        """The numbers, in nested lists."""
        return self.array.tolist()

    @property
    def shape(self: Tensor) -> tuple[int, ...]:
        return self.array.shape

    @property
    def ndim(self: Tensor) -> int:
        return self.array.ndim

    @property
    def dtype(self: Tensor) -> np.dtype[Any]:
        return self.array.dtype

    def __getstate__(self: Tensor) -> dict[str, Any]:
        """What is saved: not the tape."""
        return {name: value for name, value in vars(self).items() if name != "node"}

    def __deepcopy__(self: Tensor, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("deepcopy: of a tensor that was computed; should be a leaf, as by `detach()`")
        copied = memo[id(self)] = object.__new__(type(self))
        vars(copied).update(copy.deepcopy(vars(self), memo))
        return copied

    def __len__(self: Tensor) -> int:
        return len(self.array)

    def __iter__(self: Tensor) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self: Tensor) -> bool:
        return bool(self.item())

    def __float__(self: Tensor) -> float:
        return float(self.item())

    def __int__(self: Tensor) -> int:
        return int(self.item())

    def __index__(self: Tensor) -> int:
        return self.array.__index__()

    def __format__(self: Tensor, form: str) -> str:
        return format(self.item(), form) if self.ndim == 0 else object.__format__(self, form)

    def __repr__(self: Tensor) -> str:
        text = np.array2string(self.array, precision=4, separator=", ", prefix="tensor(")
        kind = "" if self.dtype in (default_dtype(), np.int64, np.bool_) else f", dtype={self.dtype}"
        made = f", grad_fn={self.node}" if self.node else ", requires_grad=True" if self.requires_grad else ""
        return f"tensor({text}{kind}{made})"

    # Comparisons have no derivative

    def __eq__(self: Tensor, other: object) -> Tensor:  # type: ignore[override]
        return self.of(np.equal(self.array, plain(other)))

    def __ne__(self: Tensor, other: object) -> Tensor:  # type: ignore[override]
        return self.of(np.not_equal(self.array, plain(other)))

    def __lt__(self: Tensor, other: Any) -> Tensor:
        return self.of(np.less(self.array, plain(other)))

    def __le__(self: Tensor, other: Any) -> Tensor:
        return self.of(np.less_equal(self.array, plain(other)))

    def __gt__(self: Tensor, other: Any) -> Tensor:
        return self.of(np.greater(self.array, plain(other)))

    def __ge__(self: Tensor, other: Any) -> Tensor:
        return self.of(np.greater_equal(self.array, plain(other)))

    def __invert__(self: Tensor) -> Tensor:
        return self.of(~self.array)

    __hash__ = object.__hash__

    def argmax(self: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
        return self.of(np.asarray(self.array.argmax(axis=dim, keepdims=keepdim)))

    def argmin(self: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
        return self.of(np.asarray(self.array.argmin(axis=dim, keepdims=keepdim)))

    def isnan(self: Tensor) -> Tensor:
        return self.of(np.isnan(self.array))

    def isinf(self: Tensor) -> Tensor:
        return self.of(np.isinf(self.array))

    def isfinite(self: Tensor) -> Tensor:
        return self.of(np.isfinite(self.array))

    def all(self: Tensor, dim: Any = None) -> Tensor:
        return self.of(np.asarray(self.array.all(axis=dim)))

    def any(self: Tensor, dim: Any = None) -> Tensor:
        return self.of(np.asarray(self.array.any(axis=dim)))

    def equal(self: Tensor, other: Tensor) -> bool:
        return np.array_equal(self.array, other.array)

    def allclose(self: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8) -> bool:
        return np.allclose(self.array, other.array, rtol, atol)

    def __and__(self: Tensor, other: Any) -> Tensor:
        return self.of(np.bitwise_and(self.array, plain(other)))

    def __or__(self: Tensor, other: Any) -> Tensor:
        return self.of(np.bitwise_or(self.array, plain(other)))

    def __rfloordiv__(self: Tensor, other: Any) -> Tensor:
        return self.of(np.floor_divide(plain(other), self.array))

    def __floordiv__(self: Tensor, other: Any) -> Tensor:
        return self.of(np.floor_divide(self.array, plain(other)))


def plain(x: Any) -> Any:
    """Arrays for tensors, in tuples too."""
    if isinstance(x, tuple):
        return tuple(plain(part) for part in x)
    return x.array if isinstance(x, Numbers) else x
