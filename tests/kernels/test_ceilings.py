"""The ceilings: their kernels do the work that is timed, and the roofline is its formula."""

from __future__ import annotations

import dataclasses

import numba
import numpy as np
import pytest

from kernels import ceilings, threads
from kernels.ceilings import Ceilings

KNOWN = Ceilings(
    threads=2,
    read_bytes_per_s=3e10,
    triad_bytes_per_s=2e10,
    sgemm_flop_per_s=2e11,
    dgemm_flop_per_s=1e11,
    fork_join_s=1e-6,
)


def test_what_is_timed_is_done():
    rng = np.random.default_rng(0)
    b, c = rng.integers(0, 9, (2, 10_007)).astype(np.float32)
    a = np.empty_like(b)
    assert ceilings._read()(b) == b.sum()
    ceilings._triad()(a, b, c, np.float32(0.5))
    assert np.array_equal(a, b + np.float32(0.5) * c)
    assert ceilings._fork()(8, 3) == 3 * 7


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="plain Python would take minutes to read so much")
def test_a_call_is_of_as_much_as_is_said():
    with ceilings.working(1):
        assert ceilings.reading()() == ceilings.READ_BYTES // np.dtype(np.float32).itemsize  # of ones
        for dtype in (np.float32, np.float64):
            product = ceilings.multiplying(dtype)()
            rows, columns = product.shape
            assert (product == product[0, 0]).all()
            assert product.dtype == dtype
            assert 2 * rows * columns * product[0, 0] == ceilings.GEMM_FLOP


@pytest.mark.parametrize(
    ("intensity", "dtype", "roof"),
    [
        (4.0, np.float32, 4 * 3e10),  # memory is what limits it
        (40.0, np.float32, 2e11),  # arithmetic is
        (40.0, np.float64, 1e11),
    ],
)
def test_the_roof_is_the_lower_of_arithmetic_and_memory(intensity, dtype, roof):
    assert KNOWN.roof(intensity, np.dtype(dtype)) == pytest.approx(roof)


def test_several_threads_do_at_least_what_one_does(monkeypatch):
    """On a busy machine threads wait for each other; the ceiling is still what can be reached."""
    rates = {1: dataclasses.replace(KNOWN, threads=1, read_bytes_per_s=4e10, fork_join_s=0.0), 2: KNOWN}
    monkeypatch.setattr(ceilings, "_rates", rates.__getitem__)
    assert ceilings.take(2) == dataclasses.replace(KNOWN, read_bytes_per_s=4e10)
    assert ceilings.take(1) == rates[1]


@pytest.mark.parametrize("count", [0, -1, 10**6, "x", 1.5])
def test_threads_that_are_not_there_are_refused(count):
    with pytest.raises(ValueError, match=rf"^threads: {count}; should be in 1\.\.{threads.available()}, what"):
        ceilings.measured(count)


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="plain Python would take minutes to read so much")
@pytest.mark.parametrize("count", sorted({1, threads.available()}))
def test_they_are_measured_in_a_process_of_their_own(count):
    found = ceilings.measured(count)
    assert found.threads == count
    rates = (found.read_bytes_per_s, found.triad_bytes_per_s, found.sgemm_flop_per_s, found.dgemm_flop_per_s)
    assert all(np.isfinite(rate) and rate > 0 for rate in rates)
    assert 0 < found.fork_join_s < 1
    assert ceilings.measured(count) is found
