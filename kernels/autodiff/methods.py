"""What a tensor can be asked for: operators, and functions as methods, by PyTorch's names. Each only passes itself on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from kernels.autodiff import functions as F
from kernels.autodiff.devices import placed
from kernels.autodiff.functions.shapes import flat
from kernels.autodiff.numbers import plain

if TYPE_CHECKING:
    from kernels.autodiff.functions.reductions import Dims
    from kernels.autodiff.tensor import Tensor


class Methods:
    """A base of `Tensor`."""

    __slots__ = ()

    # Operators

    def __add__(self: Tensor, other: Any) -> Tensor:
        return F.add(self, other)

    def __radd__(self: Tensor, other: Any) -> Tensor:
        return F.add(other, self)

    def __sub__(self: Tensor, other: Any) -> Tensor:
        return F.subtract(self, other)

    def __rsub__(self: Tensor, other: Any) -> Tensor:
        return F.subtract(other, self)

    def __mul__(self: Tensor, other: Any) -> Tensor:
        return F.multiply(self, other)

    def __rmul__(self: Tensor, other: Any) -> Tensor:
        return F.multiply(other, self)

    def __truediv__(self: Tensor, other: Any) -> Tensor:
        return F.divide(self, other)

    def __rtruediv__(self: Tensor, other: Any) -> Tensor:
        return F.divide(other, self)

    def __mod__(self: Tensor, other: Any) -> Tensor:
        return F.remainder(self, other)

    def __pow__(self: Tensor, other: Any) -> Tensor:
        return F.power(self, other)

    def __rpow__(self: Tensor, other: Any) -> Tensor:
        return F.power(other, self)

    def __matmul__(self: Tensor, other: Any) -> Tensor:
        return F.matmul(self, other)

    def __rmatmul__(self: Tensor, other: Any) -> Tensor:
        return F.matmul(other, self)

    def __neg__(self: Tensor) -> Tensor:
        return F.negative(self)

    def __abs__(self: Tensor) -> Tensor:
        return F.absolute(self)

    def __getitem__(self: Tensor, at: Any) -> Tensor:
        return F.index(self, at=plain(at))

    # Functions of each number

    def abs(self: Tensor) -> Tensor:
        return F.absolute(self)

    def exp(self: Tensor) -> Tensor:
        return F.exp(self)

    def log(self: Tensor) -> Tensor:
        return F.log(self)

    def log1p(self: Tensor) -> Tensor:
        return F.log1p(self)

    def sqrt(self: Tensor) -> Tensor:
        return F.sqrt(self)

    def sin(self: Tensor) -> Tensor:
        return F.sin(self)

    def cos(self: Tensor) -> Tensor:
        return F.cos(self)

    def tanh(self: Tensor) -> Tensor:
        return F.tanh(self)

    def sigmoid(self: Tensor) -> Tensor:
        return F.sigmoid(self)

    def relu(self: Tensor) -> Tensor:
        return F.relu(self)

    def square(self: Tensor) -> Tensor:
        return F.square(self)

    def masked_fill(self: Tensor, mask: Any, value: float) -> Tensor:
        return F.masked_fill(self, mask, value)

    def pow(self: Tensor, exponent: Any) -> Tensor:
        return F.power(self, exponent)

    def clamp(self: Tensor, min: float | None = None, max: float | None = None) -> Tensor:
        return F.clamp(self, min, max)

    def maximum(self: Tensor, other: Any) -> Tensor:
        return F.maximum(self, other)

    def minimum(self: Tensor, other: Any) -> Tensor:
        return F.minimum(self, other)

    def where(self: Tensor, condition: ArrayLike | Tensor, other: Any) -> Tensor:
        return F.where(condition, self, other)

    def clone(self: Tensor) -> Tensor:
        return F.clone(self)

    def to(self: Tensor, to: Any, dtype: DTypeLike | None = None) -> Tensor:
        kind = placed(to, dtype)
        return self if kind is None or self.array.dtype == kind else F.to(self, dtype=np.dtype(kind))

    def cpu(self: Tensor) -> Tensor:
        return self

    def float(self: Tensor) -> Tensor:
        return self.to(np.float32)

    def double(self: Tensor) -> Tensor:
        return self.to(np.float64)

    def long(self: Tensor) -> Tensor:
        return self.to(np.int64)

    # Reductions

    # NumPy's names for `dim` and `keepdim` are PyTorch's too

    def sum(
        self: Tensor, dim: Dims = None, keepdim: bool = False, *, axis: Dims = None, keepdims: bool = False
    ) -> Tensor:
        return F.sum(self, dim if axis is None else axis, keepdim or keepdims)

    def mean(
        self: Tensor, dim: Dims = None, keepdim: bool = False, *, axis: Dims = None, keepdims: bool = False
    ) -> Tensor:
        return F.mean(self, dim if axis is None else axis, keepdim or keepdims)

    def var(self: Tensor, dim: Dims = None, correction: int = 1, keepdim: bool = False) -> Tensor:
        return F.var(self, dim, correction, keepdim)

    def std(self: Tensor, dim: Dims = None, correction: int = 1, keepdim: bool = False) -> Tensor:
        return F.std(self, dim, correction, keepdim)

    def norm(self: Tensor, p: Any = 2, dim: Dims = None, keepdim: bool = False) -> Tensor:
        return F.norm(self, p, dim, keepdim)

    def max(self: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
        return F.max(self, dim, keepdim)

    def min(self: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
        return F.min(self, dim, keepdim)

    def cumsum(self: Tensor, dim: int) -> Tensor:
        return F.cumsum(self, dim=dim)

    def dot(self: Tensor, other: Tensor) -> Tensor:
        return F.dot(self, other)

    def logsumexp(self: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
        return F.logsumexp(self, dim, keepdim)

    def softmax(self: Tensor, dim: int) -> Tensor:
        return F.softmax(self, dim)

    def log_softmax(self: Tensor, dim: int) -> Tensor:
        return F.log_softmax(self, dim)

    def matmul(self: Tensor, other: Any) -> Tensor:
        return F.matmul(self, other)

    # Shapes

    @property
    def T(self: Tensor) -> Tensor:
        return F.permute(self, range(self.ndim)[::-1])

    @property
    def mT(self: Tensor) -> Tensor:
        return F.transpose(self, -2, -1)

    def size(self: Tensor, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[dim]

    def dim(self: Tensor) -> int:
        return self.ndim

    def numel(self: Tensor) -> int:
        return self.array.size

    def reshape(self: Tensor, *shape: Any) -> Tensor:
        return F.reshape(self, shape=flat(shape))

    view = reshape

    def flatten(self: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        if self.ndim == 0:
            return self.reshape(1)
        stop = end_dim % self.ndim + 1
        return self.reshape(*self.shape[:start_dim], -1, *self.shape[stop:])

    def permute(self: Tensor, *dims: Any) -> Tensor:
        return F.permute(self, dims=flat(dims))

    def transpose(self: Tensor, dim0: int, dim1: int) -> Tensor:
        return F.transpose(self, dim0, dim1)

    def t(self: Tensor) -> Tensor:
        return self.T

    def broadcast_to(self: Tensor, *shape: Any) -> Tensor:
        return F.broadcast_to(self, shape=flat(shape))

    def expand(self: Tensor, *sizes: Any) -> Tensor:
        wanted = flat(sizes)
        own = (1,) * (len(wanted) - self.ndim) + self.shape
        return self.broadcast_to([length if size == -1 else size for size, length in zip(wanted, own, strict=True)])

    def split(self: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
        return F.split(self, split_size, dim)

    def chunk(self: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
        return F.chunk(self, chunks, dim)

    def unbind(self: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
        return F.unbind(self, dim)

    def contiguous(self: Tensor) -> Tensor:
        return self

    def sum_to_size(self: Tensor, *shape: Any) -> Tensor:
        return F.sum_to_size(self, flat(shape))

    def squeeze(self: Tensor, dim: int | None = None) -> Tensor:
        return F.squeeze(self, dim)

    def unsqueeze(self: Tensor, dim: int) -> Tensor:
        return F.unsqueeze(self, dim)
