"""New arrays and other shapes, as instructions, against NumPy's own."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from numba import types
from numba.core.runtime import _nrt_python, rtsys

from kernels import arrays
from kernels._jit import serial

compiled = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="the plain form is NumPy's own")
DTYPES = [np.float32, np.float64, np.int64, np.bool_]
SHAPES = [0, 1, 100, (7,), (3, 5), (2, 0, 4), (2, 3, 4, 5)]


def made(make, shape, dtype):
    """What a kernel gets: `empty` or `zeros` of that shape."""

    def kernel(shape, like):
        return make(shape, like.dtype)

    axes = 1 if isinstance(shape, int) else len(shape)
    kind = numba.from_dtype(np.dtype(dtype))
    given = types.int64 if isinstance(shape, int) else types.UniTuple(types.int64, axes)
    return serial(types.Array(kind, axes, "C")(given, types.Array(kind, 1, "C")))(kernel)(shape, np.empty(0, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_zeros_are_those_of_numpy(shape, dtype):
    ours, theirs = made(arrays.zeros, shape, dtype), np.zeros(shape, dtype)
    assert (ours.shape, ours.dtype, ours.size) == (theirs.shape, theirs.dtype, theirs.size)
    assert ours.strides == theirs.strides or ours.size == 0  # to NumPy an axis of none has no stride
    assert np.array_equal(ours, theirs)


@compiled
@pytest.mark.parametrize("make", [arrays.empty, arrays.zeros])
@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_start_with_a_cache_line(make, dtype):
    several = [made(make, shape, dtype) for shape in (1, (3, 5), (2, 3, 4, 5))]
    assert all(each.ctypes.data % arrays.LINE_BYTES == 0 for each in several)


@pytest.mark.parametrize("shape", [(24,), (4, 6), (2, 3, 4), (1, 24, 1)], ids=str)
def test_folded_is_reshape_of_the_same_memory(shape):
    def kernel(A, shape):
        view = arrays.folded(A, shape)
        for i in range(A.shape[0]):
            A[i, 0] = -A[i, 0]
        return view

    real = types.float64
    signature = types.Array(real, len(shape), "C")(types.Array(real, 2, "C"), types.UniTuple(types.int64, len(shape)))
    A = np.arange(24.0).reshape(8, 3)
    view = serial(signature)(kernel)(A, shape)
    assert np.shares_memory(view, A)
    assert view.strides == A.reshape(shape).strides
    assert np.array_equal(view, A.reshape(shape))


@compiled
def test_folded_holds_the_memory_of_an_array_that_is_gone():
    def kernel(count):
        return arrays.folded(arrays.zeros(count, np.int64), (count, 1))

    fold = serial(types.Array(types.int64, 2, "C")(types.int64))(kernel)
    views = [fold(1000) for _ in range(50)]
    for i, view in enumerate(views):
        view[:] = i
    assert [int(view.sum()) for view in views] == [1000 * i for i in range(50)]


@compiled
def test_what_nobody_holds_is_given_back():
    def kernel(count):
        total = 0
        for _ in range(count):
            total += arrays.folded(arrays.zeros((2, 8), np.int64), (16,)).size
        return total

    count = serial(types.int64(types.int64))(kernel)
    _nrt_python.memsys_enable_stats()
    before = rtsys.get_allocation_stats()
    assert count(100) == 1600
    after = rtsys.get_allocation_stats()
    _nrt_python.memsys_disable_stats()
    assert after.mi_alloc - before.mi_alloc == after.mi_free - before.mi_free > 0


@compiled
def test_more_memory_than_there_is_is_refused():
    with pytest.raises(MemoryError):
        made(arrays.empty, 1 << 60, np.float32)
