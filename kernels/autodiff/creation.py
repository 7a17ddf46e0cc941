"""Tensors from nothing: constants, ranges, and random numbers from one generator, by PyTorch's names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from kernels.autodiff.devices import placed
from kernels.autodiff.functions.shapes import flat
from kernels.autodiff.kinds import default_dtype
from kernels.autodiff.tensor import Tensor

_generator = np.random.default_rng()


def manual_seed(seed: int) -> np.random.Generator:
    """Let all random numbers from now on follow from the seed. They are NumPy's, and not those of PyTorch's generator."""
    global _generator
    _generator = np.random.default_rng(seed % 2**64)
    return _generator


def generator() -> np.random.Generator:
    """The generator that `manual_seed` set."""
    return _generator


def tensor(
    data: ArrayLike, *, dtype: DTypeLike | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of these numbers, copied: numbers become float32, arrays keep their type."""
    return Tensor(data, placed(device, dtype), requires_grad)


def from_numpy(array: NDArray[Any]) -> Tensor:
    """A tensor in the array's own memory."""
    return Tensor.of(array)


def as_tensor(data: Any, dtype: DTypeLike | None = None) -> Tensor:
    """The tensor itself, or one of these numbers, in an array's own memory where it can be."""
    if isinstance(data, Tensor):
        return data.to(dtype)
    return Tensor.of(np.asarray(data, dtype)) if hasattr(data, "dtype") else Tensor(data, dtype)


def _kind(dtype: Any, device: Any) -> Any:
    kind = placed(device, dtype)
    return default_dtype() if kind is None else kind


def _constant(size: Any, value: float, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    kind = _kind(dtype, device)  # at once, so that nothing larger is made on the way
    return _filled(np.full(size, value, kind), kind, None, requires_grad)


def _filled(array: NDArray[Any], dtype: Any, device: Any, requires_grad: bool) -> Tensor:
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
    return _filled(np.eye(n), dtype, device, requires_grad)


def randn(*size: Any, dtype: DTypeLike | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Draws from N(0, 1), in that shape."""
    return _filled(_generator.standard_normal(flat(size)), dtype, device, requires_grad)


def rand(*size: Any, dtype: DTypeLike | None = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Draws from [0, 1), evenly, in that shape."""
    return _filled(_generator.random(flat(size)), dtype, device, requires_grad)


def randint(*bounds: Any, size: Any = None, device: Any = None) -> Tensor:
    """`randint([low,] high, size)`: whole numbers from `low`, or 0, to below `high`, evenly."""
    *ends, shape = bounds if size is None else (*bounds, size)
    if len(ends) not in (1, 2):
        raise TypeError(f"randint: of {bounds}; should be [low,] high and a size")
    placed(device)
    low, high = ends if len(ends) == 2 else (0, *ends)
    return Tensor.of(np.asarray(_generator.integers(low, high, shape)))


def randperm(n: int) -> Tensor:
    """0 … n − 1 in a random order."""
    return Tensor.of(_generator.permutation(n))


def arange(*bounds: Any, dtype: DTypeLike | None = None, device: Any = None) -> Tensor:
    """From the first number to below the second, by the third."""
    found = np.arange(*bounds)
    kind = placed(device, dtype)
    return Tensor.of(found.astype(kind or (default_dtype() if found.dtype.kind == "f" else found.dtype)))


def linspace(start: float, end: float, steps: int, dtype: DTypeLike | None = None, device: Any = None) -> Tensor:
    """So many numbers from the first to the last, evenly."""
    return _filled(np.linspace(start, end, steps), dtype, device, False)


def zeros_like(like: Tensor, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Zeros, in the shape and type of another tensor."""
    return zeros(like.shape, dtype=dtype or like.dtype, requires_grad=requires_grad)


def ones_like(like: Tensor, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Ones, in the shape and type of another tensor."""
    return ones(like.shape, dtype=dtype or like.dtype, requires_grad=requires_grad)


def randn_like(like: Tensor, requires_grad: bool = False) -> Tensor:
    """Draws from N(0, 1), in the shape and type of another tensor."""
    return randn(like.shape, dtype=like.dtype, requires_grad=requires_grad)


def multinomial(input: Tensor, num_samples: int, replacement: bool = False) -> Tensor:
    """Draws of numbers, each with a chance in proportion to its entry, from a vector or from each row of a matrix."""
    rows = np.atleast_2d(input.array).astype(np.float64)
    if not (np.isfinite(rows).all() and (rows >= 0).all() and (rows.sum(axis=1) > 0).all()):
        raise ValueError("input: should be weights, finite and at least 0, not all of them 0")
    drawn = [_generator.choice(len(row), num_samples, replacement, row / row.sum()) for row in rows]
    return Tensor.of(np.array(drawn if input.ndim > 1 else drawn[0]))
