"""Walks over a matrix at equal instructions: along its rows or down its columns, one number or one cache line at a time.

    Σ A[i, j]        with the inner loop over j (along a row) or over i (down a column)
    p ← next[p]      from one cache line to another, each only known when the one before it has come (a pointer chase)

What is compiled is one function for both ways: how far it is from one step to the next, and from one run of steps to the
next, it is told when it runs. So the two differ in nothing but the order in which memory is asked. A step is a number
(`scalar`), or a cache line by one vector (`vector`): down the columns nothing is then lost of a line, and what is
left is what the memory hierarchy makes of the distance. Source: L. McVoy, C. Staelin, lmbench, 1996, for the chase.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numba import types
from numpy.typing import NDArray

from kernels import check
from kernels._jit import COMPILED, inline_as_written, named, once, serial
from kernels.signatures import Kernel, reads

if COMPILED:
    from kernels.lines import add_lines
else:
    from kernels.plain import add_lines

By = Literal["rows", "columns"]
Lanes = Literal["scalar", "vector"]
DTYPE = np.dtype(np.float64)
# Numbers in a cache line, and totals in flight: an addition waits for the one before it in the same total.
TOGETHER = 8
LINE_BYTES = TOGETHER * DTYPE.itemsize


def blank(side: int, lanes: Lanes, gap: int = 0) -> NDArray[np.float64]:
    """A matrix of ones whose two walks take as many steps each way: side × side numbers, or side × side cache lines.

    Rows begin with a cache line, if the gap, numbers between them in memory, is a multiple of 8. Raises ValueError where
    `side` is no multiple of 8.
    """
    if check.whole("side", side) % TOGETHER:
        raise ValueError(f"side: {side}; should be a multiple of {TOGETHER}")
    columns = side * width(lanes)
    room = np.ones(side * (columns + check.whole("gap", gap, least=0)) + TOGETHER, DTYPE)
    first = -room.ctypes.data % LINE_BYTES // DTYPE.itemsize
    return room[first : first + side * (columns + gap)].reshape(side, columns + gap)[:, :columns]


def width(lanes: Lanes) -> int:
    """Numbers in a step."""
    return TOGETHER if lanes == "vector" else 1


def walk(A: NDArray[np.float64], by: By, lanes: Lanes) -> Callable[[], float]:
    """A call that walks once over all of A, as `blank` makes it, and gives the sum."""
    for name, value, known in (("by", by, get_args(By)), ("lanes", lanes, get_args(Lanes))):
        if value not in known:
            raise ValueError(f"{name}: {value!r}; should be {' or '.join(known)}")
    side, leading, step = A.shape[0], A.strides[0] // A.itemsize, width(lanes)
    flat = np.lib.stride_tricks.as_strided(A, ((side - 1) * leading + A.shape[1],), (A.itemsize,), writeable=False)
    far, near = (leading, step) if by == "rows" else (step, leading)
    kernel = _walking(lanes)
    return lambda: float(kernel(flat, side, far, near))


def chase(size_bytes: int, seed: int = 0) -> tuple[Callable[[], int], int]:
    """A call that goes from line to line through so many bytes, each once and in random order; and how many there are."""
    lines = check.whole("size_bytes", size_bytes, least=LINE_BYTES) // LINE_BYTES
    following, kernel = cycle(lines, seed), _chasing()
    return lambda: int(kernel(following, lines)), lines


def cycle(lines: int, seed: int = 0) -> NDArray[np.int64]:
    """next[p] for the first number p of each of so many lines: all of them, in a random order, and back to the first."""
    order = np.random.default_rng(seed).permutation(lines)
    following = np.zeros(lines * TOGETHER, np.int64)
    following[order * TOGETHER] = np.roll(order, -1) * TOGETHER
    return following


@inline_as_written
def _step_by_numbers(A, side, far, near):  # type: ignore[no-untyped-def]  # Numba infers them
    """Without fast math: additions stay as they are written, and no loop is turned into one for near = 1 alone."""
    a, b, c, d, e, f, g, h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for run in range(side):
        at = run * far
        for _ in range(0, side, 8):
            a += A[at]
            b += A[at + near]
            c += A[at + 2 * near]
            d += A[at + 3 * near]
            e += A[at + 4 * near]
            f += A[at + 5 * near]
            g += A[at + 6 * near]
            h += A[at + 7 * near]
            at += 8 * near
    return ((a + b) + (c + d)) + ((e + f) + (g + h))


@inline_as_written
def _step_by_lines(A, side, far, near):  # type: ignore[no-untyped-def]  # Numba infers them
    total = 0.0
    for run in range(side):
        total += add_lines(A, run * far, near, side)
    return total


@once
def _walking(lanes: Lanes) -> Kernel:
    step: Kernel = _step_by_lines if lanes == "vector" else _step_by_numbers

    def walk(A, side, far, near):  # type: ignore[no-untyped-def]  # Numba infers them
        return step(A, side, far, near)

    whole = types.int64
    return serial(types.float64(reads(types.float64, 1), whole, whole, whole))(named(walk, lanes))


@once
def _chasing() -> Kernel:
    def chase(following, count):  # type: ignore[no-untyped-def]  # Numba infers them
        at = 0
        for _ in range(count):
            at = following[at]
        return at

    return serial(types.int64(reads(types.int64, 1), types.int64))(named(chase, "lines"))
