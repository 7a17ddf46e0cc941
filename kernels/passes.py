"""The compiled passes over X: how samples are cut into blocks, blocks into partial sums, and both into threads.

A factory per pass joins a loss (what), a layout (where in memory) and a float type into one kernel, compiled for exactly
one signature, kept in this process and cached on disk. The number of partial sums follows from the problem's size alone,
and they are added in a fixed order: the same bits come out on any number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange, types

from kernels._jit import inline, inline_as_written, once, parallel
from kernels.layouts import Layout
from kernels.losses import Loss
from kernels.signatures import Kernel, named, reads, reads_targets, real_type, writes

# A partial sum is worth a thread's while from about this many multiply-adds on (some 10 µs of work).
WORK_PER_PARTIAL = 1 << 18
MAX_PARTIALS = 32
# Partial gradients take MAX_PARTIALS × n × k numbers, unless that is more than this many.
MAX_PARTIAL_SIZE = 1 << 22


@inline
def partials(samples: int, n: int, k: int) -> int:
    """Number of partial sums for a pass over so many samples: a power of two that depends on the size alone."""
    room = max(4, MAX_PARTIAL_SIZE // (n * k))
    wanted = min(samples * n * k // WORK_PER_PARTIAL, MAX_PARTIALS, room, samples)
    count = 1
    while 2 * count <= wanted:
        count *= 2
    return count


@once
def forward(layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`forward(X, order, theta (k, n), out)`: the logits of the samples in `order`, written to `out` in the layout's shape."""
    real = real_type(dtype)
    logits, store, samples_per_block, room_for = layout.logits, layout.store, layout.samples_per_block, layout.room_for
    settle = layout.settle

    def forward(X, order, theta, out, samples):
        k, n = theta.shape
        parts = partials(samples, n, k)
        block_size = samples_per_block(n, X.itemsize)
        in_turn = order.size == 0
        for part in prange(parts):
            H = np.empty((k, block_size), X.dtype)
            room = np.empty(room_for(n, block_size, in_turn), X.dtype)
            picks, ahead, features = np.empty(block_size, np.int64), np.empty(block_size, np.int64), np.arange(n)
            stop = samples * (part + 1) // parts
            for start in range(samples * part // parts, stop, block_size):
                count = min(block_size, stop - start)
                pick(order, start, stop, picks)
                pick(order, start + count, stop, ahead)
                settle(X, picks, count, in_turn, room)
                logits(X, picks, ahead, count, in_turn, features, theta, H, room)
                store(H, out, start, count)

    signature = types.void(reads(real, 2), reads(types.int64, 1), reads(real, 2), writes(real, 2), types.int64)
    return parallel(signature, layout)(named(forward, layout.name, dtype.name))


@once
def gradient(layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`gradient(X, order, deltas, G (partials, k, n), samples)`: G[0] = (XᵀΔ)ᵀ over the samples in `order`."""
    real = real_type(dtype)
    load, accumulate, samples_per_block = layout.load, layout.accumulate, layout.samples_per_block
    room_for, settle = layout.room_for, layout.settle

    def gradient(X, order, deltas, G, samples):
        k, n = G.shape[1:]
        parts = partials(samples, n, k)
        block_size = samples_per_block(n, X.itemsize)
        in_turn = order.size == 0
        for part in prange(parts):
            D = np.empty((k, block_size), X.dtype)
            room = np.empty(room_for(n, block_size, in_turn), X.dtype)
            picks, features = np.empty(block_size, np.int64), np.arange(n)
            G[part].fill(0)
            stop = samples * (part + 1) // parts
            for start in range(samples * part // parts, stop, block_size):
                count = min(block_size, stop - start)
                load(deltas, start, count, D)
                pick(order, start, stop, picks)
                settle(X, picks, count, in_turn, room)
                accumulate(X, picks, count, in_turn, features, D, G[part], room)
        add_up(G, parts, 1.0)

    signature = types.void(reads(real, 2), reads(types.int64, 1), reads(real, 2), writes(real, 3), types.int64)
    return parallel(signature, layout)(named(gradient, layout.name, dtype.name))


@once
def descend(loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """One pass over X for losses and gradients, batch by batch, each followed by a step.

    `descend(X, y, order, theta (k, n), p, samples, batch, step, G (partials, k, n), losses (partials,))` visits the
    samples in `order`, in batches of `batch`: θ ← θ − step · mean gradient of the batch. Returns the mean loss met
    on the way, and leaves the last batch's mean gradient in G[0]. With one batch and a step of 0 this is
    value-and-gradient; with many it is an epoch of stochastic gradient descent.
    """
    real = real_type(dtype)
    visit = _visit(loss, layout)

    def descend(X, y, order, theta, p, samples, batch, step, G, losses):
        k, n = theta.shape
        mean = 0.0
        for first in range(0, samples, batch):
            size = min(batch, samples - first)
            weight = 1.0 / size
            parts = partials(size, n, k)
            if parts == 1:  # no thread is woken for a small batch
                losses[0] = visit(X, y, order, first, first + size, theta, p, weight, G[0])
            else:
                for part in prange(parts):
                    start, stop = first + size * part // parts, first + size * (part + 1) // parts
                    losses[part] = visit(X, y, order, start, stop, theta, p, weight, G[part])
            mean = add_weighed(mean, losses, parts, size / samples)
            add_up(G, parts, weight)
            if step != 0:
                rate = X.dtype.type(step)
                for j in range(k):
                    for f in range(n):
                        theta[j, f] -= rate * G[0, j, f]
        return mean

    signature = types.float64(
        reads(real, 2), reads_targets(loss.target, real), reads(types.int64, 1), writes(real, 2), reads(real, 1),
        types.int64, types.int64, types.float64, writes(real, 3), writes(types.float64, 1),
    )  # fmt: skip
    return parallel(signature, loss, layout)(named(descend, loss.name, layout.name, dtype.name))


def _visit(loss: type[Loss], layout: type[Layout]) -> Kernel:
    """Sum the losses (times `weight`) and gradients of the samples start … stop: X is read once, block by block."""
    block, logits, accumulate = loss.block, layout.logits, layout.accumulate
    samples_per_block, room_for, settle = layout.samples_per_block, layout.room_for, layout.settle

    def visit(X, y, order, start, stop, theta, p, weight, G):
        k, n = theta.shape
        block_size = samples_per_block(n, X.itemsize)
        in_turn = order.size == 0
        H = np.empty((k, block_size), X.dtype)
        room = np.empty(room_for(n, block_size, in_turn), X.dtype)
        picks, ahead, features = np.empty(block_size, np.int64), np.empty(block_size, np.int64), np.arange(n)
        v = np.empty(block_size)
        targets = np.empty((block_size,) + y.shape[1:], y.dtype)  # noqa: RUF005  Numba has no starred tuples
        G.fill(0)
        total = 0.0
        for begin in range(start, stop, block_size):
            count = min(block_size, stop - begin)
            pick(order, begin, stop, picks)
            pick(order, begin + count, stop, ahead)
            for r in range(count):
                targets[r] = y[picks[r]]
            settle(X, picks, count, in_turn, room)
            logits(X, picks, ahead, count, in_turn, features, theta, H, room)
            block(H[:, :count], targets, v, p)
            total = add_weighed(total, v, count, weight)
            accumulate(X, picks, count, in_turn, features, H, G, room)
        return total

    return inline(visit)


@inline
def pick(order, start, stop, picks):
    """The numbers of the samples at start, start + 1, … in the order of visit; the last one before `stop` again, beyond."""
    for r in range(picks.size):
        at = min(start + r, stop - 1)
        picks[r] = order[at] if order.size else at


@inline_as_written
def add_weighed(total, v, count, weight):
    """total + Σ weight·v: each weighed before it is added, so that a mean of numbers near 1e308 does not overflow."""
    for r in range(count):
        total += v[r] * weight
    return total


@inline
def add_up(G, parts, weight):
    """G[0] ← weight · Σ G[part], added in float64 in the order of the parts."""
    k, n = G.shape[1:]
    for j in range(k):
        for f in range(n):
            total = 0.0
            for part in range(parts):
                total += G[part, j, f]
            G[0, j, f] = total * weight
