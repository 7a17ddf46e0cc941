"""The wave equation ψ_tt = v²·ψ_xx, step by step in time, for a batch of pulses in either layout (notes 2, Optics).

    ψ(x, t + τ) = 2(1 − C²)·ψ(x, t) + C²·[ψ(x + h, t) + ψ(x − h, t)] − ψ(x, t − τ),    C = vτ/h

which is the leapfrog scheme: central differences in space and time, of second order in both. C is the Courant number: at most 1, or
what should oscillate grows; at 1 it is d'Alembert's formula itself, and exact (Courant, Friedrichs, Lewy 1928). A step needs two
moments: the new one takes the place of the older, so that three streams go through memory, as in a triad.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numba import prange, types
from numpy.typing import NDArray

from kernels import check, layouts
from kernels._jit import inline, named, once, parallel
from kernels.layouts import Layout
from kernels.signatures import Kernel, real_type, writes

Ends = Literal["periodic", "fixed", "open"]
FIXED, OPEN = 1, 2

# Both moments of a pulse that stay in a core's own cache for all steps.
CACHE_BYTES = 1 << 18
# Cells that one thread goes through at a time, where a pulse is too long for that.
BLOCK = 1 << 13
LINE_BYTES = 64


def leap(
    now: NDArray[Any],
    before: NDArray[Any],
    courant: float,
    steps: int = 1,
    ends: Ends = "periodic",
    layout: str | Layout = "rows",
) -> tuple[NDArray[Any], NDArray[Any]]:
    """So many steps of time: from ψ at t and t − τ to ψ at t + steps·τ and one step before it, in the same two arrays.

    ψ is (pulses, cells), in columns (cells, pulses), float32 or float64, contiguous and writable; both arrays change. At the ends
    of x it is `periodic` (the cell after the last is the first), `fixed` (the first and last cell stay as they are) or `open`
    (ψ_x = 0 there: the neighbour beyond the end is the one within). Raises ValueError for what does not fit; past C = 1 it grows
    without bound, and that is a result.
    """
    layout = layouts.named(layout) if isinstance(layout, str) else layout
    shape = "(pulses, cells)" if layout.name == "rows" else "(cells, pulses)"
    for name, psi in (("now", now), ("before", before)):
        if not isinstance(psi, np.ndarray) or psi.ndim != 2 or psi.dtype not in (np.float32, np.float64):
            raise ValueError(f"{name}: {_what(psi)}; should be an array of float32 or float64, {shape}")
        if not (psi.flags.c_contiguous and psi.flags.writeable):
            raise ValueError(f"{name}: should be contiguous and writable, since it changes in place")
    if now.shape != before.shape or now.dtype != before.dtype or np.shares_memory(now, before):
        raise ValueError(f"before: {_what(before)}; should be another array like now, {_what(now)}")
    check.finite_above_zero("courant", courant)
    if ends not in get_args(Ends):
        raise ValueError(f"ends: {ends!r}; should be one of {', '.join(get_args(Ends))}")
    pulses, cells = layout.samples(now.shape), layout.width(now.shape)
    if cells < 3:
        raise ValueError(f"now: {cells} cells; should be at least 3")
    steps = check.whole("steps", steps, least=0)
    _run(now, before, courant, steps, ends, layout, pulses, cells)
    return (now, before) if steps % 2 == 0 else (before, now)


def _what(psi: Any) -> str:
    return f"{psi.dtype} {psi.shape}" if isinstance(psi, np.ndarray) else f"a {type(psi).__name__}"


def _run(
    now: NDArray[Any],
    before: NDArray[Any],
    courant: float,
    steps: int,
    ends: Ends,
    layout: Layout,
    pulses: int,
    cells: int,
) -> None:
    """By the loop that keeps most in a cache: some pulses through all steps, where they fit, else all cells step by step."""
    weights = np.array([2 * (1 - courant * courant), courant * courant], now.dtype)
    rows = layout.name == "rows"
    abreast = 1 if rows else LINE_BYTES // now.itemsize  # pulses that lie in one line are taken together
    kept = 2 * cells * abreast * now.itemsize <= CACHE_BYTES
    _leap(rows, kept, now.dtype)(now, before, weights, steps, get_args(Ends).index(ends))


@inline
def neighbours(j, cells, ends):
    """The cells to the left and right of cell j; of one at a fixed end, itself: it stays."""
    left, right = j - 1, j + 1
    if ends == OPEN:
        return abs(left), cells - 1 - abs(cells - 1 - right)
    return left % cells, right % cells


@inline
def along(now, before, weights, ends, start, stop):
    """One step of cells start … stop − 1 of one pulse, its numbers side by side."""
    own, near = weights[0], weights[1]
    cells = now.size
    low, high = max(start, 1), min(stop, cells - 1)
    middle, left, right, to = now[low:high], now[low - 1 : high - 1], now[low + 1 : high + 1], before[low:high]
    for i in range(to.size):
        to[i] = own * middle[i] + near * (left[i] + right[i]) - to[i]
    for j in (0, cells - 1):
        if start <= j < stop:
            one, other = neighbours(j, cells, ends)
            before[j] = now[j] if ends == FIXED else own * now[j] + near * (now[one] + now[other]) - before[j]


@inline
def abreast(now, before, weights, ends, start, stop, first, last):
    """One step of cells start … stop − 1 of the pulses first … last − 1, a cell of each side by side."""
    own, near = weights[0], weights[1]
    cells = now.shape[0]
    for j in range(start, stop):
        one, other = neighbours(j, cells, ends)
        middle, left, right, to = (
            now[j, first:last],
            now[one, first:last],
            now[other, first:last],
            before[j, first:last],
        )
        if ends == FIXED and (j == 0 or j == cells - 1):
            for i in range(to.size):
                to[i] = middle[i]
        else:
            for i in range(to.size):
                to[i] = own * middle[i] + near * (left[i] + right[i]) - to[i]


@inline
def flat(now, before, weights, ends, start, stop):
    """One step of cells start … stop − 1 of all pulses: in memory one row, whose neighbours are as far away as there are pulses."""
    own, near = weights[0], weights[1]
    cells, pulses = now.shape
    low, high = max(start, 1) * pulses, min(stop, cells - 1) * pulses
    row, other = now.reshape(cells * pulses), before.reshape(cells * pulses)
    middle, left, right = row[low:high], row[low - pulses : high - pulses], row[low + pulses : high + pulses]
    to = other[low:high]
    for i in range(to.size):
        to[i] = own * middle[i] + near * (left[i] + right[i]) - to[i]
    for j in (0, cells - 1):
        if start <= j < stop:
            abreast(now, before, weights, ends, j, j + 1, 0, pulses)


@once
def _leap(rows: bool, kept: bool, dtype: np.dtype[Any]) -> Kernel:
    """`(now, before, weights, steps, ends)`: all in place, the two arrays in turns."""

    def rows_kept(now, before, weights, steps, ends):
        for pulse in prange(now.shape[0]):
            a, b = now[pulse], before[pulse]
            for _ in range(steps):
                along(a, b, weights, ends, 0, a.size)
                a, b = b, a

    def rows_passed(now, before, weights, steps, ends):
        cells = now.shape[1]
        blocks = -(-cells // BLOCK)
        a, b = now, before
        for _ in range(steps):
            for piece in prange(now.shape[0] * blocks):
                pulse, block = piece // blocks, piece % blocks
                along(a[pulse], b[pulse], weights, ends, block * BLOCK, min(cells, (block + 1) * BLOCK))
            a, b = b, a

    def columns_kept(now, before, weights, steps, ends):
        cells, pulses = now.shape
        width = max(1, CACHE_BYTES // (2 * cells * now.itemsize) // 16) * 16
        for block in prange(-(-pulses // width)):
            a, b = now, before
            for _ in range(steps):
                if pulses <= width:
                    flat(a, b, weights, ends, 0, cells)
                else:
                    abreast(a, b, weights, ends, 0, cells, block * width, min(pulses, (block + 1) * width))
                a, b = b, a

    def columns_passed(now, before, weights, steps, ends):
        cells, pulses = now.shape
        height = max(1, BLOCK // pulses)
        a, b = now, before
        for _ in range(steps):
            for block in prange(-(-cells // height)):
                flat(a, b, weights, ends, block * height, min(cells, (block + 1) * height))
            a, b = b, a

    real = real_type(dtype)
    signature = types.void(writes(real, 2), writes(real, 2), writes(real, 1), types.int64, types.int64)
    written = ((columns_passed, columns_kept), (rows_passed, rows_kept))[rows][kept]
    return parallel(signature)(named(written, "wave"))
