"""A chunk of samples with a wide θ: both products by BLAS, the loss between them, each shared out among the threads.

The products are cut into pieces, each a call of BLAS, and the samples for the loss into groups. How all that is cut
depends on the problem's size alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange, types

from kernels._jit import COMPILED, inline, linked, named, once
from kernels.arrays import empty
from kernels.blocks import TAKE, add_weighed, spoilt
from kernels.layouts import Layout
from kernels.layouts.rows import load, store
from kernels.losses import Loss
from kernels.losses.base import SPARE, block_of
from kernels.signatures import Kernel, reads, reads_targets, real_type, writes

if COMPILED:
    from kernels import blas
    from kernels.blas import gemm
else:
    from kernels.plain import gemm

# The most samples in a chunk, and the fewest: BLAS reads and writes the gradient once for each.
CHUNK, SMALLEST = 1024, 64
# Samples in a group, whose logits stay in cache while the loss goes through them again and again.
GROUP = 32
# A product of this many elements is cut in two; further pieces, each of which packs its operands anew, are larger.
TWO_PIECES, PIECE, MOST_PIECES = 1 << 13, 1 << 15, 8


@inline
def grid(rows, columns):
    """How many pieces a product is cut into along its rows, and along its columns: powers of two, the longer side first."""
    down, across = 1, 1
    wanted = max(2 if rows * columns >= TWO_PIECES else 1, min(rows * columns // PIECE, MOST_PIECES))
    while 2 * down * across <= wanted:
        if rows // down >= columns // across:
            down *= 2
        else:
            across *= 2
    return down, across


@inline
def cut(size, piece, pieces):
    """Where a piece of 0 … size begins: at a multiple of 16, as BLAS likes it."""
    return size if piece == pieces else size * piece // pieces // 16 * 16


@once
def products(layout: type[Layout], dtype: np.dtype[Any], turned: bool = False) -> tuple[Kernel, Kernel]:
    """`logits(A, first, count, theta, H, at)` and `accumulate(A, first, count, D, at, scale, keep, G)` of a chunk.

    H ← Aθ and G (n, k) ← keep · G + scale · AᵀD, for the samples `first` … of A, which lies like X, and `at` … of H and
    D. These are (…, k), or (k, …) if `turned`.
    """
    features_first = layout.features_first

    def logits(A, first, count, theta, H, at):
        n, k = theta.shape
        down, across = grid(count, k)
        one, nought = A.dtype.type(1), A.dtype.type(0)
        for task in prange(down * across):
            i, j = np.int64(task) // across, np.int64(task) % across
            top, left = cut(count, i, down), cut(k, j, across)
            height, width = cut(count, i + 1, down) - top, cut(k, j + 1, across) - left
            corner = (0, first + top) if features_first else (first + top, 0)
            if turned:
                place, straight = (left, at + top), not features_first
                gemm(width, height, n, one, theta, (0, left), True, A, corner, straight, nought, H, place)
            else:
                place = (at + top, left)
                gemm(height, width, n, one, A, corner, features_first, theta, (0, left), False, nought, H, place)

    def accumulate(A, first, count, D, at, scale, keep, G):
        n, k = G.shape
        down, across = grid(n, k)
        times, kept = A.dtype.type(scale), A.dtype.type(keep)
        for task in prange(down * across):
            i, j = np.int64(task) // across, np.int64(task) % across
            top, left = cut(n, i, down), cut(k, j, across)
            height, width = cut(n, i + 1, down) - top, cut(k, j + 1, across) - left
            corner = (top, first) if features_first else (first, top)
            block = (left, at) if turned else (at, left)
            gemm(height, width, count, times, A, corner, not features_first, D, block, turned, kept, G, (top, left))

    real, whole, name = real_type(dtype), types.int64, "turned" if turned else "straight"
    if COMPILED:
        blas.link(real)
    matrix, room = reads(real, 2), writes(real, 2)
    return (
        _linked(logits, (layout,), dtype, name, matrix, whole, whole, matrix, room, whole),
        _linked(
            accumulate, (layout,), dtype, name, matrix, whole, whole, matrix, whole, types.float64, types.float64, room
        ),
    )


def _linked(
    function: Kernel,
    parts: tuple[type[Loss] | type[Layout], ...],
    dtype: np.dtype[Any],
    name: str,
    *kinds: Any,
    alone: bool = False,
) -> Kernel:
    names = ["wide", *(part.name for part in parts), dtype.name, *([name] if name else [])]
    signature = types.void(*kinds)
    return linked(named(function, *names), signature, *parts, threads=not alone)


@once
def gather(layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`gather(X, order, first, count, room)`: the samples order[first] … side by side, as they lie in X."""
    features_first = layout.features_first

    def gather_row(X, order, first, count, room, row):
        if features_first:
            for r in range(count):
                room[row, r] = X[row, order[first + r]]
        elif row < count:
            sample, copy = X[order[first + row]], room[row]
            for f in range(copy.size):
                copy[f] = sample[f]

    real, whole = real_type(dtype), types.int64
    kinds = reads(real, 2), reads(whole, 1), whole, whole, writes(real, 2)
    fetch = _linked(gather_row, (layout,), dtype, "", *kinds, whole, alone=True)

    def gather(X, order, first, count, room):
        for task in prange(room.shape[0]):
            fetch(X, order, first, count, room, np.int64(task))

    return _linked(gather, (layout,), dtype, "", *kinds)


@inline
def chunk(samples, n, k, copied, times=2):
    """How many samples a chunk has: what is made for it, copies of samples and logits, is at most so many times θ."""
    each = 2 * k + (n if copied else 0)
    return min(samples, max(SMALLEST, min(CHUNK, times * n * k // each // GROUP * GROUP)))


def room_for(layout: type[Layout]) -> Kernel:
    """`room(X, n, size, order)`: where the samples of a chunk are put side by side, if they are no neighbours."""
    features_first = layout.features_first

    def room(X, n, size, order):
        copies = size if order.size else 0
        return empty((n, copies) if features_first else (copies, n), X.dtype)

    return inline(room)


@once
def losses_of(loss: type[Loss], dtype: np.dtype[Any]) -> Kernel:
    """`losses(y, order, first, count, H, p, weight, desk, v, targets, totals)`: a chunk's losses, and H (…, k) ← δ.

    `totals` (groups, 2): the sum of a group's losses, each times `weight`, NaN if a target is none; 0, NaN if a logit is
    infinite or NaN.
    """
    block, take, real = block_of(loss, dtype), TAKE[loss.target], real_type(dtype)

    def group_losses(y, order, first, count, H, p, weight, desk, v, targets, totals, group):
        k, start = H.shape[1], GROUP * group
        size, fine = min(GROUP, count - start), True
        for r in range(start, start + size):
            fine &= take(y, order[first + r] if order.size else first + r, targets, r, k)
        own, spare = desk[group, :k], desk[group, k:]
        load(H, start, size, own)
        totals[group, 1] = spoilt(own, size)
        block(own, size, targets[start : start + size], v[start : start + size], p, spare)
        store(own, H, start, size)
        totals[group, 0] = add_weighed(0.0, v[start : start + size], size, weight) if fine else np.nan

    y, whole, H, v = reads_targets(loss.target, real), types.int64, writes(real, 2), writes(types.float64, 1)
    kinds = (
        y, reads(whole, 1), whole, whole, H, reads(real, 1), types.float64, writes(real, 3), v, writes(y.dtype, y.ndim),
        writes(types.float64, 2),
    )  # fmt: skip
    of_group = _linked(group_losses, (loss,), dtype, "", *kinds, whole, alone=True)

    def losses(y, order, first, count, H, p, weight, desk, v, targets, totals):
        for task in prange(groups_of(count)):
            of_group(y, order, first, count, H, p, weight, desk, v, targets, totals, np.int64(task))

    return _linked(losses, (loss,), dtype, "", *kinds)


@inline
def groups_of(count):
    """How many groups so many samples are."""
    return -(-count // GROUP)


@inline
def places(X, y, k, size):
    """What a chunk is worked on with: H, and desk, v, targets and totals of `losses_of`."""
    groups = groups_of(size)
    targets = empty((size,) + y.shape[1:], y.dtype)  # noqa: RUF005  Numba has no starred tuples
    desk = empty((groups, k + SPARE, min(GROUP, size)), X.dtype)
    return empty((size, k), X.dtype), desk, empty(size, np.float64), targets, empty((groups, 2), np.float64)


def visiting(loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`visit((X, y, order), first, count, theta, p, weight, scale, keep, room, work, out)`: a chunk's losses and gradient.

    The sum of its losses, each times `weight`, and 0 or, where something is not finite, NaN; out (n, k) ← keep · out +
    scale · the gradient. `room` is from `room_for`, `work` from `places`.
    """
    fetch, losses, (logits, accumulate) = gather(layout, dtype), losses_of(loss, dtype), products(layout, dtype)

    def visit(data, first, count, theta, p, weight, scale, keep, room, work, out):
        X, y, order = data
        H, desk, v, targets, totals = work
        if order.size:
            fetch(X, order, first, count, room)
            logits(room, 0, count, theta, H, 0)
        else:
            logits(X, first, count, theta, H, 0)
        losses(y, order, first, count, H, p, weight, desk, v, targets, totals)
        if order.size:
            accumulate(room, 0, count, H, 0, scale, keep, out)
        else:
            accumulate(X, first, count, H, 0, scale, keep, out)
        total, doubt = 0.0, 0.0
        for group in range(groups_of(count)):
            total += totals[group, 0]
            doubt += totals[group, 1]
        return total, doubt

    return inline(visit)
