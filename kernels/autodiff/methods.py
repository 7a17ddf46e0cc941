"""What a tensor can be asked for: operators, and functions as methods, by PyTorch's names. The first input is the tensor itself."""

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

    __add__ = __radd__ = F.add
    __sub__ = F.subtract
    __mul__ = __rmul__ = F.multiply
    __truediv__ = F.divide
    __mod__ = F.remainder
    __pow__ = F.power
    __matmul__ = F.matmul
    __neg__ = F.negative
    __abs__ = F.absolute

    def __rsub__(self: Tensor, other: Any) -> Tensor:
        return F.subtract(other, self)

    def __rtruediv__(self: Tensor, other: Any) -> Tensor:
        return F.divide(other, self)

    def __rpow__(self: Tensor, other: Any) -> Tensor:
        return F.power(other, self)

    def __rmatmul__(self: Tensor, other: Any) -> Tensor:
        return F.matmul(other, self)

    def __getitem__(self: Tensor, at: Any) -> Tensor:
        return F.index(self, at=plain(at))

    # Functions of each number

    abs = F.absolute
    ceil = F.ceil
    clamp = clip = F.clamp
    clone = F.clone
    cos = F.cos
    erf = F.erf
    exp = F.exp
    expm1 = F.expm1
    floor = F.floor
    log = F.log
    log1p = F.log1p
    masked_fill = F.masked_fill
    maximum = F.maximum
    minimum = F.minimum
    pow = F.power
    relu = F.relu
    round = F.round
    sigmoid = F.sigmoid
    sign = F.sign
    sin = F.sin
    sqrt = F.sqrt
    square = F.square
    tanh = F.tanh

    def where(self: Tensor, condition: ArrayLike | Tensor, other: Any) -> Tensor:
        return F.where(condition, self, other)

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

    # Sums, products and extremes; their order

    argsort = F.argsort
    cumsum = F.cumsum
    dot = F.dot
    gather = F.gather
    log_softmax = F.log_softmax
    logsumexp = F.logsumexp
    matmul = mm = F.matmul
    max = F.max
    min = F.min
    norm = F.norm
    softmax = F.softmax
    sort = F.sort
    std = F.std
    topk = F.topk
    trace = F.trace
    var = F.var

    # NumPy's names for `dim` and `keepdim` are PyTorch's too

    def sum(
        self: Tensor, dim: Dims = None, keepdim: bool = False, *, axis: Dims = None, keepdims: bool = False
    ) -> Tensor:
        return F.sum(self, dim if axis is None else axis, keepdim or keepdims)

    def mean(
        self: Tensor, dim: Dims = None, keepdim: bool = False, *, axis: Dims = None, keepdims: bool = False
    ) -> Tensor:
        return F.mean(self, dim if axis is None else axis, keepdim or keepdims)

    # Shapes

    chunk = F.chunk
    diag = F.diag
    repeat = F.repeat
    split = F.split
    squeeze = F.squeeze
    transpose = F.transpose
    unbind = F.unbind
    unsqueeze = F.unsqueeze

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

    def flip(self: Tensor, *dims: Any) -> Tensor:
        return F.flip(self, flat(dims))

    def t(self: Tensor) -> Tensor:
        return self.T

    def broadcast_to(self: Tensor, *shape: Any) -> Tensor:
        return F.broadcast_to(self, shape=flat(shape))

    def expand(self: Tensor, *sizes: Any) -> Tensor:
        wanted = flat(sizes)
        own = (1,) * (len(wanted) - self.ndim) + self.shape
        return self.broadcast_to([length if size == -1 else size for size, length in zip(wanted, own, strict=True)])

    def contiguous(self: Tensor) -> Tensor:
        return self if self.array.flags.c_contiguous and self.array.flags.writeable else F.clone(self)

    def sum_to_size(self: Tensor, *shape: Any) -> Tensor:
        return F.sum_to_size(self, flat(shape))
