"""New arrays, and other shapes for those there are, as instructions.

What Numba makes of `np.empty` and `reshape` are functions, compiled once more for each kernel and each number of axes: a
tenth of the time that a kernel takes to compile. And its arrays start in the middle of a cache line as often as not.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from kernels._jit import COMPILED, instructions

LINE_BYTES = 64


def _lengths(builder: Any, kind: Any, shape: Any) -> list[Any]:
    return [shape] if isinstance(kind, types.Integer) else list(cgutils.unpack_tuple(builder, shape))


def _array(context: Any, builder: Any, kind: Any, lengths: Sequence[Any], itemsize: Any, **others: Any) -> Any:
    strides = [itemsize]
    for length in reversed(lengths[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    array = context.make_array(kind)(context, builder)
    array.shape, array.strides = cgutils.pack_array(builder, lengths), cgutils.pack_array(builder, strides)
    array.itemsize, array.nitems = itemsize, reduce(builder.mul, lengths)
    for name, value in others.items():
        setattr(array, name, value)
    return array._getvalue()


def _new(shape: Any, dtype: Any, cleared: bool) -> Any:
    kind = types.Array(dtype.dtype, 1 if isinstance(shape, types.Integer) else shape.count, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lengths = _lengths(builder, shape, arguments[0])
        data = context.get_data_type(kind.dtype)
        itemsize = context.get_constant(types.intp, context.get_abi_sizeof(data))
        size = builder.mul(reduce(builder.mul, lengths), itemsize)
        meminfo = context.nrt.meminfo_alloc_aligned(builder, size, LINE_BYTES)
        start = context.nrt.meminfo_data(builder, meminfo)
        if cleared:
            cgutils.memset(builder, start, size, 0)
        start = builder.bitcast(start, data.as_pointer())
        return _array(context, builder, kind, lengths, itemsize, data=start, meminfo=meminfo)

    return kind(shape, dtype), generate


@instructions
def _empty(typing_context: Any, shape: Any, dtype: Any) -> Any:
    """`np.empty`, from the start of a cache line on."""
    return _new(shape, dtype, cleared=False)


@instructions
def _zeros(typing_context: Any, shape: Any, dtype: Any) -> Any:
    """`np.zeros`, from the start of a cache line on."""
    return _new(shape, dtype, cleared=True)


@instructions
def _folded(typing_context: Any, A: Any, shape: Any) -> Any:
    """The numbers of A, C-contiguous, in another shape that holds as many."""
    if A.layout != "C":
        return None
    kind = types.Array(A.dtype, shape.count, "C", readonly=not A.mutable)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        own = context.make_array(A)(context, builder, arguments[0])
        held = {name: getattr(own, name) for name in ("data", "meminfo", "parent")}
        array = _array(context, builder, kind, _lengths(builder, shape, arguments[1]), own.itemsize, **held)
        context.nrt.incref(builder, kind, array)  # its memory has one more holder
        return array

    return kind(A, shape), generate


empty: Any = _empty if COMPILED else np.empty
zeros: Any = _zeros if COMPILED else np.zeros
folded: Any = _folded if COMPILED else np.reshape


def in_rows(X: NDArray[Any]) -> NDArray[Any]:
    """X (rows, columns) with its columns side by side in memory: itself, though its rows may be apart, or a copy."""
    (_, columns), (row, column), size = X.shape, X.strides, X.itemsize
    is_fine = X.flags.c_contiguous or (column == size and row >= columns * size and row % size == 0 and X.flags.aligned)
    return X if is_fine else np.ascontiguousarray(X)


def dense(X: NDArray[Any]) -> NDArray[Any]:
    """What kernels take for such an X: one in C order, whose rows have all that lies between them too. They look at none of it."""
    if X.flags.c_contiguous:
        return X
    row, size = X.strides[0], X.itemsize
    return as_strided(X, (X.shape[0], row // size), (row, size), writeable=False)
