"""The types that kernels are compiled for: one signature each, in terms of NumPy's dtypes and our kinds of target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types

from kernels.targets import Target

Kernel = Callable[..., Any]


def real_type(dtype: np.dtype[Any]) -> types.Float:
    """Numba's type of float32 or float64."""
    return types.float32 if dtype == np.float32 else types.float64


def reads(dtype: Any, ndim: int) -> types.Array:
    """An array argument that is only read: C order, writable or not."""
    return types.Array(dtype, ndim, "C", readonly=True)


def writes(dtype: Any, ndim: int) -> types.Array:
    """An array argument that is written to: C order."""
    return types.Array(dtype, ndim, "C")


def reads_targets(target: Target, real: types.Float) -> types.Array:
    """The y argument: int64 classes, a row of counts a sample, or a number a sample."""
    if target is Target.CLASS:
        return reads(types.int64, 1)
    return reads(real, 2 if target is Target.COUNTS else 1)


def desk_types(real: types.Float) -> tuple[types.Array, ...]:
    """What each thread works with: `kernels.blocks.desk`."""
    return writes(real, 3), writes(real, 3), writes(types.int64, 3), writes(types.int64, 1)


def takes_targets(target: Target, real: types.Float) -> types.Array:
    """Room for the targets of blocks, one block for each thread."""
    if target is Target.CLASS:
        return writes(types.int64, 2)
    return writes(real, 3 if target is Target.COUNTS else 2)


def product_signature(real: types.Float) -> Any:
    """`(X, order, theta or deltas, out)` → whether all of it is finite: the logits, or the gradient."""
    return types.boolean(reads(real, 2), reads(types.int64, 1), reads(real, 2), writes(real, 2))


def fused_signature(target: Target, real: types.Float) -> Any:
    """`(X, y, order, theta, p, grad)` → (mean loss, fine)."""
    data = reads(real, 2), reads_targets(target, real), reads(types.int64, 1)
    return types.Tuple((types.float64, types.boolean))(*data, reads(real, 2), reads(real, 1), writes(real, 2))


def epoch_signature(target: Target, real: types.Float, *more: Any) -> Any:
    """`(X, y, order, theta, p, …, step_size)` → (mean loss met, fine), with arguments of the types `more` before the step."""
    data = reads(real, 2), reads_targets(target, real), reads(types.int64, 1)
    given = *data, writes(real, 2), reads(real, 1), *more, types.float64
    return types.Tuple((types.float64, types.boolean))(*given)
