"""The tiles as instructions against the tiles as plain Python, at every edge, and against the memory that is not theirs."""

from __future__ import annotations

import ctypes
import mmap

import numba
import numpy as np
import pytest

from kernels import plain, simd
from kernels._jit import COMPILED

pytestmark = pytest.mark.skipif(not COMPILED, reason="Numba is switched off: there are no instructions")

DTYPES = [np.float32, np.float64]
COUNTS = [1, 3, 4, 5, 8, 11]
LENGTHS = [1, 2, 7, 8, 15, 16, 17, 31, 64, 100, 129]
OUTPUTS = [1, 2, 3, 4, 5, 6, 7, 10, 11, 26]


@numba.njit
def dots(A, rows, ahead, count, offset, length, B, out, at, add, half=True):
    simd.dots(A, rows, ahead, 0, count, offset, length, B, out, at, add, half)


@numba.njit
def mixtures(A, rows, count, offset, length, S, out, at, first=0, half=True):
    simd.mixtures(A, rows, rows, 0, first, count, offset, length, S, out, at, half)


@numba.njit
def product(A, row, theta, out):
    simd.product(A, row, theta, out)


@numba.njit
def outer(A, row, d, grad):
    simd.outer(A, row, d, grad)


@numba.njit
def step(A, rows, start, length, W, scales, out, backwards):
    simd.step(A, rows, start, length, W, scales, out, backwards)


@numba.njit
def total(G, parts, start, stop, weight, as_step, out):
    return simd.total(G, parts, start, stop, weight, as_step, out)


def close(got, expected, dtype):
    scale = np.abs(expected).max() + 1
    np.testing.assert_allclose(got, expected, atol=float(np.finfo(dtype).eps * 100 * scale), rtol=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("add", [False, True])
def test_dots_at_every_edge(dtype, length, add):
    rng = np.random.default_rng(length)
    for count in COUNTS:
        for k in OUTPUTS:
            A, B = (rng.standard_normal(shape).astype(dtype) for shape in ((12, length + 5), (k, length)))
            rows, out = rng.permutation(12)[:count], rng.standard_normal((k, count + 4)).astype(dtype)
            expected = out.copy()
            expected[:, 2 : 2 + count] = B @ A[rows, 3 : 3 + length].T + (out[:, 2 : 2 + count] if add else 0)
            dots(A, rows, rows, count, 3, length, B, out, 2, add)
            close(out, expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", LENGTHS)
def test_mixtures_at_every_edge(dtype, length):
    rng = np.random.default_rng(length)
    for count in COUNTS:
        for k in OUTPUTS:
            A, S = (rng.standard_normal(shape).astype(dtype) for shape in ((12, length + 5), (k, count + 1)))
            rows, out = rng.permutation(12)[:count], rng.standard_normal((k, length + 3)).astype(dtype)
            expected = out.copy()
            expected[:, 1 : 1 + length] += S[:, :count] @ A[rows, 4 : 4 + length]
            mixtures(A, rows, count, 4, length, S, out, 1)
            close(out, expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("half", [False, True])
def test_mixtures_of_a_part_of_the_rows_and_what_is_fetched_on_the_way(dtype, length, half):
    rng = np.random.default_rng(length)
    A, S = (rng.standard_normal(shape).astype(dtype) for shape in ((12, length), (7, 12)))
    rows, out, dotted = rng.permutation(12), np.zeros((7, length), dtype), np.empty((7, 12), dtype)
    mixtures(A, rows, 5, 0, length, S, out, 0, first=3, half=half)
    close(out, S[:, 3:8] @ A[rows[3:8]], dtype)
    dots(A, rows, rows[::-1].copy(), 12, 0, length, out, dotted, 0, False, half=half)
    close(dotted, out @ A[rows].T, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", LENGTHS)
def test_one_sample_at_every_edge(dtype, length):
    rng = np.random.default_rng(length)
    for k in [*OUTPUTS, 16, 17, 33]:
        A, theta, d = (rng.standard_normal(shape).astype(dtype) for shape in ((3, length), (length, k), (1, k)))
        H, grad = np.empty((1, k), dtype), np.empty((length, k), dtype)
        product(A, 1, theta, H)
        close(H, A[1:2] @ theta, dtype)
        outer(A, 2, d, grad)
        close(grad, A[2][:, None] * d, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", LENGTHS)
def test_two_steps_at_every_edge(dtype, length):
    rng = np.random.default_rng(length)
    rows = np.array([[4, 0], [1, 3], [2, 0]])
    for k in [*OUTPUTS, 16, 17, 33]:
        A, theta, d = (rng.standard_normal(shape).astype(dtype) for shape in ((5, length), (k, length), (2, k)))
        for backwards in (False, True):
            for start, some in ((0, length), (length // 3, length - length // 3 - length // 4)):
                W, H = theta.copy(), np.empty((3, k), dtype)
                step(A, rows, start, some, W, d, H, backwards)
                seen = A[:, start : start + some]
                moved = theta[:, :some] + d.T @ seen[rows[0]]
                close(W[:, :some], moved, dtype)
                np.testing.assert_array_equal(W[:, some:], theta[:, some:])
                close(H[:2], seen[rows[1]] @ moved.T, dtype)
                close(H[2, :1], seen[1:2] @ seen[3], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("parts", [1, 2, 5])
def test_totals_at_every_edge(dtype, length, parts):
    rng = np.random.default_rng(length)
    for k in OUTPUTS:
        G, start = rng.standard_normal((parts, k, length + 7)).astype(dtype), min(2, length - 1)
        span = slice(start, length)
        expected = -0.3 * G.sum(0, dtype=np.float64)[:, span]
        for as_step, shape in ((False, (length + 1, k)), (True, (k, length + 4))):
            out = rng.standard_normal(shape).astype(dtype)
            before = out.copy()
            assert total(G, parts, start, length, -0.3, as_step, out)
            place = (slice(None), span) if as_step else span
            close(out[place], before[place] + expected if as_step else expected.T, dtype)
            out[place] = before[place]
            np.testing.assert_array_equal(out, before)  # nothing beside it was touched
            spoilt = G.copy()
            spoilt[-1, -1, length - 1] = rng.choice([np.inf, -np.inf, np.nan])
            assert not total(spoilt, parts, start, length, -0.3, as_step, out)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("as_step", [False, True])
def test_the_plain_totals_are_the_same(dtype, as_step):
    G = np.random.default_rng(0).standard_normal((3, 5, 37)).astype(dtype)
    compiled, by_hand = (np.ones((5, 37) if as_step else (37, 5), dtype) for _ in range(2))
    assert total(G, 3, 2, 30, 0.25, as_step, compiled)
    assert plain.total_tile(G, 3, 2, 30, 0.25, as_step, by_hand) == 0
    close(compiled, by_hand, dtype)
    G[1, 2, 29] = np.inf
    assert np.isnan(plain.total_tile(G, 3, 2, 30, 0.25, as_step, by_hand))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_plain_tiles_are_the_same(dtype):
    rng = np.random.default_rng(0)
    A, B, S = (rng.standard_normal(shape).astype(dtype) for shape in ((6, 40), (5, 33), (5, 6)))
    rows = np.array([5, 0, 3, 1, 2, 4])
    compiled = [np.ones((5, 40), dtype) for _ in range(3)]
    by_hand = [np.ones((5, 40), dtype) for _ in range(3)]
    dots(A, rows, rows, 4, 2, 33, B, compiled[0], 1, False)
    plain.dot_tile(A, rows, rows, 0, 0, 4, 4, 2, 33, B, 0, 5, by_hand[0], 1, False, True)
    dots(A, rows, rows, 1, 2, 33, B, compiled[1], 1, True)
    plain.dot_tile(A, rows, rows, 0, 0, 4, 1, 2, 33, B, 0, 5, by_hand[1], 1, True, True)
    mixtures(A, rows, 6, 2, 3, S, compiled[2], 1)
    plain.mixture_tile(A, rows, rows, 0, 0, 6, 2, S, 0, 5, by_hand[2], 1, 1, 3, True)
    for got, expected in zip(compiled, by_hand, strict=True):
        close(got, expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("add", [False, True])
def test_the_plain_tiles_of_one_output_are_the_same(dtype, add):
    rng = np.random.default_rng(0)
    A, B, S = (rng.standard_normal(shape).astype(dtype) for shape in ((6, 40), (1, 33), (1, 6)))
    rows = np.array([5, 0, 3, 1, 2, 4])
    compiled, by_hand = ([np.ones((1, 9), dtype), np.ones((1, 40), dtype)] for _ in range(2))
    dots(A, rows, rows, 6, 2, 33, B, compiled[0], 1, add)
    plain.slim_dot_tile(A, rows, rows, 0, 6, 2, 33, B, by_hand[0], 1, add)
    mixtures(A, rows, 4, 2, 33, S, compiled[1], 1, first=1)
    plain.slim_mixture_tile(A, rows, rows, 0, 1, 4, 2, 33, S, by_hand[1], 1)
    for got, expected in zip(compiled, by_hand, strict=True):
        close(got, expected, dtype)


@numba.njit
def lanes_of(A):
    return simd.lanes(A)


@numba.njit
def tiles_alone(A, rows, B, S, G, out, totals):
    simd.dot_tile(A, rows, rows, 0, 0, 4, 3, 2, 33, B, 0, 3, out, 1, False, True)
    lanes = simd.lanes(A)
    simd.mixture_tile(A, rows, rows, 0, 0, 6, 2, S, 3, 2, out, 1, 1, lanes - 1, True)
    simd.slim_dot_tile(A, rows, rows, 0, 6, 2, 2 * lanes + 1, B, out, 20, True)
    simd.slim_mixture_tile(A, rows, rows, 0, 0, 6, 2, lanes + 1, S, out, 20)
    return simd.total_tile(G, 3, 2, 30, 0.25, True, totals)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tiles_by_themselves(dtype):
    """Compiled here and now, and not found on the disk: the code that writes the instructions is seen to run."""
    rng = np.random.default_rng(0)
    A, B, S, G = (rng.standard_normal(shape).astype(dtype) for shape in ((6, 40), (5, 33), (5, 6), (3, 5, 37)))
    rows = np.array([5, 0, 3, 1, 2, 4])
    out, totals = np.ones((5, 40), dtype), np.ones((5, 37), dtype)
    expected, n = np.ones_like(out), lanes_of(A)
    expected[:3, 1:4] = B[:3] @ A[rows[:3], 2:35].T
    expected[3:, 1:n] += (S @ A[rows, 2 : n + 1])[3:]
    expected[0, 20:26] += B[0, : 2 * n + 1] @ A[rows, 2 : 2 * n + 3].T
    expected[0, 20 : n + 21] += S[0] @ A[rows, 2 : n + 3]
    assert tiles_alone(A, rows, B, S, G, out, totals) == 0
    close(out, expected, dtype)
    close(totals[:, 2:30], 1 + 0.25 * G.sum(0)[:, 2:30], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_plain_tiles_of_one_sample_are_the_same(dtype):
    rng = np.random.default_rng(0)
    A, theta, d = (rng.standard_normal(shape).astype(dtype) for shape in ((5, 21), (21, 3), (2, 3)))
    rows, forms = np.array([[4, 0], [1, 3], [2, 0]]), []
    for tiles in (False, True):
        H, out, grad, W = np.empty((1, 3), dtype), np.zeros((3, 3), dtype), np.empty((21, 3), dtype), theta.T.copy()
        if tiles:
            plain.product_tile(A, 1, theta, 0, 3, H)
            plain.outer_tile(A, 2, d, 0, 3, grad)
            plain.step_tile(A, rows, 0, 21, W, 0, 3, d, out, False, True)
        else:
            product(A, 1, theta, H)
            outer(A, 2, d, grad)
            step(A, rows, 0, 21, W, d, out, False)
        forms.append((H, out, grad, W))
    for got, expected in zip(*forms, strict=True):
        close(got, expected, dtype)


def at_the_end_of_memory(array):
    """A copy whose last byte is the last of a page, with a page behind it that nobody may touch."""
    page = mmap.PAGESIZE
    size = -(-array.nbytes // page) * page
    memory = mmap.mmap(-1, size + page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mprotect(ctypes.c_void_p(address + size), ctypes.c_size_t(page), 0) == 0
    copy = np.frombuffer(memory, array.dtype, array.size, size - array.nbytes).reshape(array.shape)
    copy[...] = array
    return copy


@pytest.mark.skipif(not hasattr(mmap, "MAP_PRIVATE"), reason="needs POSIX memory maps")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", LENGTHS)
def test_nothing_beyond_an_array_is_touched(dtype, length):
    """A read or a write of one byte too many would end this process."""
    rng = np.random.default_rng(length)
    rows = at_the_end_of_memory(np.arange(5))
    for k in (1, 7):
        A, B, S, H, G = (
            at_the_end_of_memory(rng.standard_normal(shape).astype(dtype))
            for shape in ((5, length), (k, length), (k, 5), (k, 5), (k, length))
        )
        dots(A, rows, rows, 5, 0, length, B, H, 0, False)
        close(H, B @ A.T, dtype)
        expected = G + S @ A
        mixtures(A, rows, 5, 0, length, S, G, 0)
        close(G, expected, dtype)
    theta, d, grad = (
        at_the_end_of_memory(rng.standard_normal(shape).astype(dtype)) for shape in ((length, 7), (1, 7), (length, 7))
    )
    h = at_the_end_of_memory(np.empty((1, 7), dtype))
    product(A, 4, theta, h)
    close(h, A[4:] @ theta, dtype)
    outer(A, 4, d, grad)
    close(grad, A[4][:, None] * d, dtype)
    d, h = (
        at_the_end_of_memory(rng.standard_normal((2, 7)).astype(dtype)),
        at_the_end_of_memory(np.empty((3, 7), dtype)),
    )
    moved = B + d[:1].T * A[4] + d[1:].T * A[4]
    step(A, at_the_end_of_memory(np.full((3, 2), 4)), 0, length, B, d, h, False)
    close(h[:2], np.array([moved @ A[4]] * 2), dtype)
    for parts, out in ((moved[None], B), (moved[None], grad)):
        as_step, before = out is B, out.copy()
        assert total(at_the_end_of_memory(parts), 1, 0, length, 0.5, as_step, out)
        close(out, before + 0.5 * moved if as_step else 0.5 * moved.T, dtype)
