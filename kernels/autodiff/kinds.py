"""Types of numbers: which one a number without a type takes, and which one those of a function have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

import kernels.autodiff.tensor as tensors

if TYPE_CHECKING:
    from kernels.autodiff.tensor import Tensor

_default: np.dtype[Any] = np.dtype(np.float32)


def default_dtype() -> np.dtype[Any]:
    """The type that numbers without one become: float32, unless `set_default_dtype` said otherwise."""
    return _default


def set_default_dtype(dtype: DTypeLike) -> None:
    """Let numbers without a type become that one, float32 or float64."""
    global _default
    chosen = np.dtype(dtype)
    if chosen.kind != "f":
        raise TypeError(f"dtype: {chosen}; should be a floating-point one")
    _default = chosen


def together(given: Sequence[Any]) -> Sequence[Tensor]:
    """The inputs of one function as tensors: numbers, and whole numbers beside floats, take the float type of the others."""
    kind, plain = None, True
    for x in given:
        if isinstance(x, tensors.Tensor):
            if kind is not None and x.array.dtype is not kind:
                break
            kind = x.array.dtype
        else:
            plain = False
            if type(x) not in (int, float) and not (
                type(x) is np.ndarray and (x.dtype is kind or x.dtype.kind in "biu")
            ):
                break
    else:  # as nearly always: there is little to ask
        if plain:
            return given
        if kind is not None and kind.kind == "f":
            return [_as(x, kind) for x in given]
    common = _common(given)
    return [_as(x, common) for x in given]


def _common(given: Sequence[Any]) -> np.dtype[Any]:
    kinds = {x.dtype for x in given if hasattr(x, "dtype")}
    floats = {kind for kind in kinds if kind.kind in "fc"}
    if floats:
        return floats.pop() if len(floats) == 1 else np.result_type(*floats)
    if any(isinstance(x, (float, complex)) for x in given):
        return default_dtype()
    return np.result_type(*kinds or [np.int64])


def _as(x: Any, kind: np.dtype[Any]) -> Tensor:
    if isinstance(x, tensors.Tensor):
        return x if x.array.dtype.kind in "fc" or x.array.dtype == kind else tensors.Tensor.of(x.array.astype(kind))
    if x is None:  # which NumPy takes for NaN
        raise TypeError(
            "an input is None; should be a tensor, an array or a number (a function that returns nothing gives None)"
        )
    return tensors.Tensor.of(np.asarray(x) if isinstance(x, complex) else np.array(x, kind))
