"""Functions of each number that stay where they are nearly everywhere, so that their derivative is 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kernels.autodiff.tape import function

if TYPE_CHECKING:
    from kernels.autodiff.functions.arithmetic import Ruled
    from kernels.autodiff.tensor import Tensor


@function
def _step(a: Tensor, of: Callable[[NDArray[Any]], NDArray[Any]]) -> Ruled:
    return of(a.array), (lambda g, _: g * 0.0,)


def sign(a: Tensor) -> Tensor:
    """−1, 0 or 1, as a is below, at or above 0"""
    return _step(a, of=np.sign)


def floor(a: Tensor) -> Tensor:
    """The next whole number that is not above a"""
    return _step(a, of=np.floor)


def ceil(a: Tensor) -> Tensor:
    """The next whole number that is not below a"""
    return _step(a, of=np.ceil)


def round(a: Tensor) -> Tensor:
    """The nearest whole number, of two the even one"""
    return _step(a, of=np.round)
