"""The door's checks: vectorised, once per call, each a ValueError that names the argument, what it is and what it should be."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kernels.targets import Target

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
NO_ORDER = np.empty(0, np.int64)


def _array(name: str, a: ArrayLike) -> NDArray[Any]:
    if a is None:
        raise ValueError(f"{name}: None; should be an array")
    if isinstance(a, np.ma.MaskedArray):
        raise ValueError(f"{name}: a masked array; should be filled, or the masked samples left out")
    if hasattr(a, "toarray"):  # SciPy's own would be taken for a single object
        raise ValueError(f"{name}: a sparse {type(a).__name__}; should be dense, as its toarray() is")
    try:
        return np.asarray(a)
    except ValueError as error:  # NumPy knows that a list is ragged, but not whose
        raise ValueError(f"{name}: a {type(a).__name__}; should be an array: {error}") from None


def floats(name: str, a: ArrayLike, ndim: tuple[int, ...], dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
    """`a` as an array of float32 or float64 (or of just `dtype`), with one of the numbers of axes in `ndim`."""
    array = _array(name, a)
    if array.ndim not in ndim:
        wanted = " or ".join(f"{d}-d" for d in ndim)
        raise ValueError(f"{name}: shape {array.shape}; should be {wanted}")
    if dtype is not None and array.dtype != dtype:
        raise ValueError(f"{name}: {array.dtype}; should be {dtype}, like X")
    if array.dtype not in FLOATS:
        foreign = array.dtype.newbyteorder("=") in FLOATS
        raise ValueError(f"{name}: {array.dtype}; should be float32 or float64{', in native byte order' * foreign}")
    if array.size == 0:
        least = "feature and one output" if name == "theta" else "sample and one feature"
        raise ValueError(f"{name}: empty, shape {array.shape}; should have at least one {least}")
    return array


def targets(y: ArrayLike, kind: Target, samples: int, width: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """`y` for so many samples and `width` logits: int64 classes, or numbers of X's dtype; C-contiguous.

    Its values are looked at later: by the kernels as they go, and by `labels` if there is something wrong.
    """
    array = _array("y", y)
    shape = (samples, width) if kind is Target.COUNTS else (samples,)
    if array.shape != shape:
        raise ValueError(f"y: shape {array.shape}; should be {shape}, {kind.value} for {samples} samples")
    wanted = "iu" if kind is Target.CLASS else "biuf"
    if array.dtype.kind not in wanted:
        example = "an integer type such as int64" if kind is Target.CLASS else str(dtype)
        raise ValueError(f"y: {array.dtype}; should be {example}, {kind.value}")
    with np.errstate(over="ignore"):  # a number too big for float32 becomes an infinity, which `labels` refuses
        return np.ascontiguousarray(array, np.int64 if kind is Target.CLASS else dtype)


def labels(y: ArrayLike, taken: NDArray[Any], kind: Target, width: int) -> None:
    """Raise ValueError for the first target that is none: a class beyond `width`, a label but 0 or 1, a negative count,
    a finite number that `targets` has `taken` for an infinity.

    The kernels notice as they go, so that this is called only when there is one.
    """
    array = _array("y", y)
    if kind is Target.CLASS:
        should = f"integers in 0..{width - 1}, one below the number of classes"
        _refuse(array, (array < 0) | (array >= width), should if width > 1 else "0, since there is one logit a sample")
    if kind is Target.BINARY:
        _refuse(array, (array != 0) & (array != 1), "0 or 1")
    if kind is Target.COUNTS:
        _refuse(array, ~(array >= 0), "counts of 0 or more")
    _refuse(array, np.isfinite(array) & np.isinf(taken), f"small enough for {taken.dtype}, as X is")


def _refuse(array: NDArray[Any], bad: NDArray[np.bool_], should: str) -> None:
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"y: {array[at].item()} at {list(at)}; should be {should}")


def outputs(name: str, loss: str, target: Target, width: int) -> None:
    """Raise ValueError if the loss takes one logit and there are more."""
    if width != 1 and target.one_logit:
        raise ValueError(f"{name}: {width} columns; should have one, for loss {loss}")


def order(indices: ArrayLike | None, samples: int) -> NDArray[np.int64]:
    """The order of visit as int64; empty for None, which stands for 0, 1, 2, …"""
    if indices is None:
        return NO_ORDER
    array = _array("order", indices)
    if array.shape == (0,):
        raise ValueError(f"order: empty; should visit at least one of the samples 0..{samples - 1}")
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(
            f"order: {array.dtype} of shape {array.shape}; should be a 1-d array of integers in 0..{samples - 1}"
        )
    if array.min() < 0 or array.max() >= samples:
        worst = array.min() if array.min() < 0 else array.max()
        raise ValueError(f"order: {worst}; should be in 0..{samples - 1}, for {samples} samples")
    return np.ascontiguousarray(array, np.int64)


def whole(name: str, number: Any, least: int = 1) -> int:
    """`number` as an int of at least 1, or of what is the `least`."""
    is_whole = type(number) is int or (isinstance(number, Integral) and not isinstance(number, bool))
    if not is_whole or number < least:
        raise ValueError(f"{name}: {number!r}; should be a whole number of at least {least}")
    return int(number)


def finite_above_zero(name: str, number: Any) -> float:
    """`number` as a finite float above zero."""
    try:
        value = float(number) if isinstance(number, Real) and not isinstance(number, bool) else np.nan
    except OverflowError:
        value = np.nan
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name}: {number!r}; should be a finite number above 0")
    return value


def positive(**parameters: float) -> None:
    """Raise ValueError unless every named parameter is a finite number above zero."""
    for name, x in parameters.items():
        finite_above_zero(name, x)


def blame(**arrays: NDArray[Any]) -> None:
    """Raise ValueError for the first array that holds a NaN or an infinity; return if none does.

    Called only when a result is not finite: NaN and infinity in the data always reach the result, so that finite
    data costs no extra look, and a result that overflowed on finite data is given back as it is.
    """
    for name, array in arrays.items():
        bad = ~np.isfinite(array)
        if bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            raise ValueError(f"{name}: {array[at]} at {list(at)}; should be finite")
