"""Random tensors, by PyTorch's names: from one generator, or from one that is given. The numbers are NumPy's, not PyTorch's."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from kernels.autodiff.creation import filled
from kernels.autodiff.devices import device as place
from kernels.autodiff.devices import placed
from kernels.autodiff.functions.shapes import flat
from kernels.autodiff.kinds import default_dtype
from kernels.autodiff.numbers import plain
from kernels.autodiff.tensor import Tensor
from kernels.check import whole


class Generator:
    """A source of random numbers; each seed has its own, the same each time."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = place(device)
        self.manual_seed(0)

    def manual_seed(self, seed: int) -> Self:
        """Let all numbers from now on follow from the seed."""
        self.numpy = np.random.default_rng(seed % 2**64)
        return self


default_generator = Generator().manual_seed(np.random.SeedSequence().generate_state(1)[0].item())  # another each time


def manual_seed(seed: int) -> Generator:
    """Let all random numbers from now on follow from the seed."""
    return default_generator.manual_seed(seed)


def source(generator: Generator | None = None) -> np.random.Generator:
    """The numbers of that generator, or else of the one that `manual_seed` sets."""
    return (generator or default_generator).numpy


def randn(
    *size: Any, generator: Generator | None = None, dtype: DTypeLike | None = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Draws from N(0, 1), in that shape."""
    return filled(source(generator).standard_normal(flat(size)), dtype, device, requires_grad)


def rand(
    *size: Any, generator: Generator | None = None, dtype: DTypeLike | None = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Draws from [0, 1), evenly, in that shape."""
    kind = np.dtype(placed(device, dtype) or default_dtype())
    own = np.float32 if kind == np.float32 else np.float64  # rounded to fewer digits, 0.99… would be 1
    return filled(source(generator).random(flat(size), own), kind, None, requires_grad)


def randint(*bounds: Any, size: Any = None, generator: Generator | None = None, device: Any = None) -> Tensor:
    """`randint([low,] high, size)`: whole numbers from `low`, or 0, to below `high`, evenly."""
    *ends, shape = bounds if size is None else (*bounds, size)
    if len(ends) not in (1, 2):
        raise TypeError(f"randint: of {bounds}; should be [low,] high and a size")
    placed(device)
    low, high = ends if len(ends) == 2 else (0, *ends)
    return Tensor.of(np.asarray(source(generator).integers(low, high, shape)))


def randperm(n: int, generator: Generator | None = None) -> Tensor:
    """0 … n − 1 in a random order."""
    whole("n", n, least=0)
    return Tensor.of(source(generator).permutation(n))


def randn_like(like: Tensor, requires_grad: bool = False) -> Tensor:
    """Draws from N(0, 1), in the shape and type of another tensor."""
    return randn(like.shape, dtype=like.dtype, requires_grad=requires_grad)


def rand_like(like: Tensor, requires_grad: bool = False) -> Tensor:
    """Draws from [0, 1), in the shape and type of another tensor."""
    return rand(like.shape, dtype=like.dtype, requires_grad=requires_grad)


def normal(mean: Any, std: Any, size: Any = None, generator: Generator | None = None) -> Tensor:
    """Draws from N(mean, std²): in that shape, or one for each mean and deviation."""
    kind = next((given.dtype for given in (mean, std) if isinstance(given, Tensor)), None)
    return filled(source(generator).normal(plain(mean), plain(std), size), kind, None, False)


def bernoulli(input: Tensor, generator: Generator | None = None) -> Tensor:
    """1 with the chance in `input`, else 0."""
    if not ((input.array >= 0) & (input.array <= 1)).all():
        raise ValueError("input: should be chances, in 0..1")
    return Tensor.of((source(generator).random(input.shape) < input.array).astype(input.dtype))


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, generator: Generator | None = None
) -> Tensor:
    """Draws of numbers, each with a chance in proportion to its entry, from a vector or from each row of a matrix."""
    rows = np.atleast_2d(input.array).astype(np.float64)
    if not (np.isfinite(rows).all() and (rows >= 0).all() and (rows.sum(axis=1) > 0).all()):
        raise ValueError("input: should be weights, finite and at least 0, not all of them 0")
    drawn = [source(generator).choice(len(row), num_samples, replacement, row / row.sum()) for row in rows]
    return Tensor.of(np.array(drawn if input.ndim > 1 else drawn[0]))
