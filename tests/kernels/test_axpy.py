"""y ← y + a·x, against SciPy's BLAS."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg.blas as blas

from kernels.axpy import axpy


@pytest.mark.parametrize("order", ["CC", "CF", "FF"])
@pytest.mark.parametrize("shape", [(), (1,), (7, 5), (300, 4), (2, 3, 4), (0, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_blass(dtype, shape, order):
    rng = np.random.default_rng(0)
    x, y = (np.array(rng.standard_normal(shape), dtype, order=each) for each in order)
    library = blas.saxpy if dtype == np.float32 else blas.daxpy
    expected = library(x.ravel(), y.flatten(), a=-0.3) if y.size else y.flatten()
    axpy(-0.3, x, y)
    np.testing.assert_allclose(y.ravel(), expected, rtol=0, atol=8 * np.finfo(dtype).eps)


def test_other_types_are_numpys():
    y = np.array([1.0, 2.0], np.float32)
    axpy(2.0, np.array([1.0, 3.0], np.float32)[::-1], y)
    assert y.tolist() == [7, 4]
    half = np.ones(2, np.float16)
    axpy(1.0, half, half)
    assert half.tolist() == [2, 2]


def test_what_overlaps_is_done_in_order():
    y = np.arange(100.0)
    axpy(0.5, y, y)
    np.testing.assert_array_equal(y, 1.5 * np.arange(100))
