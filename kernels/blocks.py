"""How samples are cut up: a pass into partial sums, which threads share out, and those into blocks, which stay in cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kernels._jit import inline, inline_as_written
from kernels.arrays import empty
from kernels.layouts import Layout
from kernels.losses.base import SPARE
from kernels.signatures import Kernel
from kernels.targets import Target


def desk(layout: type[Layout]) -> Kernel:
    """`desk(X, seats, n, k, samples, in_turn)`: what each thread works on its blocks with, at its seat (`kernels.threads`).

    That is H (seats, k + SPARE, block), room (seats, …), numbers (seats, 2, block), and 0, 1, 2 … for as many as there
    are features, or samples in a block.
    """
    samples_per_block, room_for = layout.samples_per_block, layout.room_for

    def desk(X, seats, n, k, samples, in_turn):
        size = min(samples_per_block(n, X.itemsize, in_turn), samples)
        height, width = room_for(n, size, in_turn)
        counted = empty(max(n, size), np.int64)
        for f in range(counted.size):
            counted[f] = f
        H, room = empty((seats, k + SPARE, size), X.dtype), empty((seats, height, width), X.dtype)
        return H, room, empty((seats, 2, size), np.int64), counted

    return inline(desk)


@inline
def rescale(H, count, scale):
    """H ← scale · H"""
    for j in range(H.shape[0]):
        for r in range(count):
            H[j, r] *= scale


# How many blocks before its turn a block is asked for: by then it has come from memory.
BLOCKS_AHEAD = 2


def walk(layout: type[Layout], act: Kernel) -> Kernel:
    """`walk(X, order, start, stop, then, seat, desk, given, out)`: `act` on each block of the samples start … stop.

    The sum of what it returns; the arguments are those of `kernels.visits.shared`.
    """
    settle, extent = layout.settle, layout.extent

    def walk(X, order, start, stop, then, seat, desk, given, out):
        table, room, numbers, counted = desk
        size, in_turn = table.shape[2], order.size == 0
        end = extent(X)[0] if in_turn else order.size
        picks, ahead = numbers[seat, 0], numbers[seat, 1]
        total = 0.0
        for begin in range(start, stop, size):
            count = min(size, stop - begin)
            pick(order, begin, end, count, picks)
            later = begin + BLOCKS_AHEAD * count
            pick(order, later if later < stop else then + later - stop, end, count, ahead)
            settle(X, picks, count, in_turn, room[seat])
            total += act(X, picks, ahead, begin, count, in_turn, counted, table[seat], room[seat], seat, given, out)
        return total

    return inline(walk)


@inline
def pick(order, start, end, count, picks):
    """The numbers of the samples at start, start + 1, … in the order of visit; beyond the last one, that one again."""
    if order.size:
        for r in range(count):
            picks[r] = order[min(start + r, end - 1)]
    else:
        for r in range(count):
            picks[r] = min(start + r, end - 1)


@inline
def places(desk, y):
    """Room for the losses and the targets of a block: v (seats, block), targets (seats, block, …)."""
    seats, _, size = desk.shape
    targets = empty((seats, size) + y.shape[1:], y.dtype)  # noqa: RUF005  Numba has no starred tuples
    return empty((seats, size), np.float64), targets


@inline
def place_for_one(X, y, k):
    """The same for one sample alone: H (1, k), spare (SPARE, 1), v (1,), targets (1, …)."""
    targets = empty((1,) + y.shape[1:], y.dtype)  # noqa: RUF005  Numba has no starred tuples
    return empty((1, k), X.dtype), empty((SPARE, 1), X.dtype), empty(1, np.float64), targets


@inline
def _take_number(y, sample, targets, r, k):
    targets[r] = y[sample]
    return True


@inline
def _take_binary(y, sample, targets, r, k):
    targets[r] = y[sample]
    return (y[sample] == 0) | (y[sample] == 1)  # `or` would branch, on what nobody can predict


@inline
def _take_class(y, sample, targets, r, k):
    label = y[sample]
    fine = (label >= 0) & (label < k)
    targets[r] = label if fine else 0
    return fine


@inline
def _take_counts(y, sample, targets, r, k):
    fine = True
    for j in range(k):
        targets[r, j] = y[sample, j]
        fine &= y[sample, j] >= 0
    return fine


# Copy a sample's target to where the block wants it: is it one?
TAKE: dict[Target, Callable[..., Any]] = {
    Target.REAL: _take_number,
    Target.BINARY: _take_binary,
    Target.CLASS: _take_class,
    Target.COUNTS: _take_counts,
}


@inline_as_written
def add_weighed(total, v, count, weight):
    """total + Σ weight·v: each weighed before it is added, so that a mean of numbers near 1e308 does not overflow.

    Four sums take turns: each addition waits for the one before it in the same sum.
    """
    one, two, three, four = 0.0, 0.0, 0.0, 0.0
    whole = count - count % 4
    for r in range(0, whole, 4):
        one += v[r] * weight
        two += v[r + 1] * weight
        three += v[r + 2] * weight
        four += v[r + 3] * weight
    for r in range(whole, count):
        one += v[r] * weight
    return total + ((one + two) + (three + four))


@inline
def spoilt(H, count):
    """0, or NaN if one of the first `count` columns of H holds something that is infinite or NaN."""
    zero = H.dtype.type(0)
    total = zero
    for j in range(H.shape[0]):
        for r in range(count):
            total += H[j, r] * zero
    return total


@inline
def total_size(x):
    """Σ|x|"""
    total = x.dtype.type(0)
    for each in x:
        total += abs(each)
    return total
