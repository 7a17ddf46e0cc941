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
RANKS = "biufc"  # of kinds of numbers: the later one is that of a result


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
    Tensor = tensors.Tensor
    for x in given:
        if isinstance(x, Tensor):
            own = x.array.dtype
            if kind is None:
                kind = own
            elif own is not kind:
                break
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
    """PyTorch's rule: floats before whole numbers; among those, what has axes before what has none, and numbers say no type."""
    found: dict[tuple[int, bool], set[np.dtype[Any]]] = {}
    for x in given:
        if isinstance(x, (tensors.Tensor, np.ndarray)):
            rank = RANKS.find(x.dtype.kind), x.ndim > 0
            found.setdefault(rank, set()).add(x.dtype)
    highest = max((rank for rank, _ in found), default=0)
    if highest < RANKS.find("f") and any(isinstance(x, (float, complex, np.floating)) for x in given):
        return default_dtype()
    if highest == RANKS.find("b") and any(isinstance(x, (int, np.integer)) and not isinstance(x, bool) for x in given):
        return np.dtype(np.int64)
    kinds = found.get((highest, True)) or found.get((highest, False)) or [np.dtype(np.int64)]
    return np.result_type(*kinds)


def _as(x: Any, kind: np.dtype[Any]) -> Tensor:
    if isinstance(x, tensors.Tensor):
        if x.array.dtype == kind or x.array.dtype.kind == "c" or (kind.kind == "c" and x.array.dtype.kind == "f"):
            return x
        return x.to(kind)
    if x is None or isinstance(x, str):  # of which NumPy makes NaN, or a number
        raise TypeError(
            f"an input is {x!r}; should be a tensor, an array or a number (a function that returns nothing gives None)"
        )
    return tensors.Tensor.of(np.asarray(x) if isinstance(x, complex) else np.array(x, kind))
