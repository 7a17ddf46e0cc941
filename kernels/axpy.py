"""y ← y + a·x in place, in one pass over memory (BLAS level 1, `axpy`): in NumPy a·x is written and read once more."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from kernels._jit import COMPILED, named, once, serial
from kernels.signatures import Kernel, reads, real_type, writes


def axpy(a: float, x: NDArray[Any], y: NDArray[Any]) -> None:
    """y ← y + a·x, of two arrays of one shape; by NumPy where they are not both float32 or float64 in C order."""
    alike = x.dtype == y.dtype and x.shape == y.shape and y.dtype in (np.float32, np.float64)
    if COMPILED and alike and x.flags.c_contiguous and y.flags.c_contiguous and y.flags.writeable:
        _kernel(y.dtype)(a, x.reshape(-1), y.reshape(-1))
    else:
        y += a * x


@once
def _kernel(dtype: np.dtype[Any]) -> Kernel:
    def axpy(a: float, x: NDArray[Any], y: NDArray[Any]) -> None:
        for i in range(y.size):
            y[i] += a * x[i]

    real = real_type(dtype)
    return serial(types.void(real, reads(real, 1), writes(real, 1)))(named(axpy, real.name))
