"""Tensors from nothing: constants, ranges, and random numbers from one generator, by PyTorch's names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from kernels.autodiff.kinds import default_dtype
from kernels.autodiff.methods import flat
from kernels.autodiff.tensor import Tensor

_generator = np.random.default_rng()


def manual_seed(seed: int) -> np.random.Generator:
    """Let all random numbers from now on follow from the seed. They are NumPy's, and not those of PyTorch's generator."""
    global _generator
    _generator = np.random.default_rng(seed)
    return _generator


def generator() -> np.random.Generator:
    """The generator that `manual_seed` set."""
    return _generator


def tensor(data: ArrayLike, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """A tensor of these numbers, copied: numbers become float32, arrays keep their type."""
    return Tensor(data, dtype, requires_grad)


def from_numpy(array: NDArray[Any]) -> Tensor:
    """A tensor in the array's own memory."""
    return Tensor.of(array)


def as_tensor(data: Any, dtype: DTypeLike | None = None) -> Tensor:
    """The tensor itself, or one of these numbers, in an array's own memory where it can be."""
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    return Tensor.of(np.asarray(data, dtype)) if hasattr(data, "dtype") else Tensor(data, dtype)


def _filled(array: NDArray[Any], dtype: DTypeLike | None, requires_grad: bool) -> Tensor:
    made = Tensor.of(array.astype(default_dtype() if dtype is None else dtype, copy=False))
    return made.requires_grad_() if requires_grad else made


def zeros(*size: Any, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Zeros, in that shape."""
    return _filled(np.zeros(flat(size)), dtype, requires_grad)


def ones(*size: Any, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Ones, in that shape."""
    return _filled(np.ones(flat(size)), dtype, requires_grad)


def full(size: Any, fill_value: float, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """One number all over, in that shape."""
    return _filled(np.full(size, fill_value), dtype, requires_grad)


def empty(*size: Any, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Numbers to be overwritten, in that shape; here they are zeros."""
    return zeros(*size, dtype=dtype, requires_grad=requires_grad)


def eye(n: int, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """The unit matrix, (n, n)."""
    return _filled(np.eye(n), dtype, requires_grad)


def randn(*size: Any, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Draws from N(0, 1), in that shape."""
    return _filled(_generator.standard_normal(flat(size)), dtype, requires_grad)


def rand(*size: Any, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Draws from [0, 1), evenly, in that shape."""
    return _filled(_generator.random(flat(size)), dtype, requires_grad)


def randint(low: int, high: int | None = None, size: Any = ()) -> Tensor:
    """Whole numbers from `low` to below `high`, or from 0 to below the first, evenly."""
    return Tensor.of(np.asarray(_generator.integers(low, high, size)))


def randperm(n: int) -> Tensor:
    """0 … n − 1 in a random order."""
    return Tensor.of(_generator.permutation(n))


def arange(*bounds: Any, dtype: DTypeLike | None = None) -> Tensor:
    """From the first number to below the second, by the third."""
    found = np.arange(*bounds)
    return Tensor.of(found.astype(dtype or (default_dtype() if found.dtype.kind == "f" else found.dtype)))


def linspace(start: float, end: float, steps: int, dtype: DTypeLike | None = None) -> Tensor:
    """So many numbers from the first to the last, evenly."""
    return _filled(np.linspace(start, end, steps), dtype, False)


def zeros_like(like: Tensor, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Zeros, in the shape and type of another tensor."""
    return zeros(like.shape, dtype=dtype or like.dtype, requires_grad=requires_grad)


def ones_like(like: Tensor, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Ones, in the shape and type of another tensor."""
    return ones(like.shape, dtype=dtype or like.dtype, requires_grad=requires_grad)


def randn_like(like: Tensor, requires_grad: bool = False) -> Tensor:
    """Draws from N(0, 1), in the shape and type of another tensor."""
    return randn(like.shape, dtype=like.dtype, requires_grad=requires_grad)
