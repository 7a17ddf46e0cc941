"""The compiled passes over X: the logits, the gradient, and both with the loss between them from one read of X.

A factory per pass joins a loss (what), a layout (where in memory) and a float type into one kernel, compiled for exactly
one signature, kept in this process and cached on disk. `kernels.blocks` says how samples are cut up: the number of
partial sums follows from the problem's size alone, and they are added in a fixed order, so that the same bits come out
on any number of threads. Each kernel also says whether all that it computed is finite.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange, types

from kernels._jit import inline, link, named, once, parallel, serial
from kernels.blocks import TAKE, add_weighed, desk, place_for_one, places, spoilt, total_size, walk
from kernels.layouts import Layout
from kernels.losses import Loss
from kernels.signatures import Kernel, reads, reads_targets, real_type, writes
from kernels.simd import outer, product
from kernels.sums import adding, clear, padded, partials, turned
from kernels.threads import seat, seats
from kernels.visits import visits


@once
def forward(layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`forward(X, order, theta (n, k), out)`: the logits of the samples in `order`, written to `out` in the layout's shape."""
    real = real_type(dtype)
    link(real)
    logits, store, extent = layout.logits, layout.store, layout.extent

    @inline
    def act(X, picks, ahead, begin, count, in_turn, counted, table, room, seat, given):
        W, out = given
        H = table[: W.shape[0]]
        logits(X, picks, ahead, count, in_turn, counted, W, H, room, False)
        store(H, out, begin, count)
        return spoilt(H, count)

    make, over_blocks = desk(layout), walk(layout, act)

    def forward(X, order, theta, out):
        n, k = theta.shape
        samples = order.size if order.size else extent(X)[0]
        parts = partials(samples, n, k, X.itemsize)
        work, given = make(X, seats(parts), k, samples, order.size == 0), (turned(theta, padded(n, X.itemsize)), out)
        doubts = np.empty(parts)
        for task in prange(parts):
            part = np.int64(task)
            start, stop = samples * part // parts, samples * (part + 1) // parts
            doubts[part] = over_blocks(X, order, start, stop, stop, seat(), work, given)
        return doubts.sum() == 0

    signature = types.boolean(reads(real, 2), reads(types.int64, 1), reads(real, 2), writes(real, 2))
    return parallel(signature, layout)(named(forward, layout.name, dtype.name))


@once
def gradient(layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`gradient(X, order, deltas, grad (n, k))`: grad = XᵀΔ over the samples in `order`."""
    real = real_type(dtype)
    link(real)
    load, accumulate, extent = layout.load, layout.accumulate, layout.extent

    @inline
    def act(X, picks, ahead, begin, count, in_turn, counted, table, room, seat, given):
        deltas, G = given
        H = table[: G.shape[0]]
        load(deltas, begin, count, H)
        accumulate(X, picks, ahead, count, in_turn, counted, H, G, room, False)
        return 0.0

    make, over_blocks, add = desk(layout), walk(layout, act), adding(dtype)

    def gradient(X, order, deltas, grad):
        n, k = grad.shape
        samples = order.size if order.size else extent(X)[0]
        parts = partials(samples, n, k, X.itemsize)
        G = np.zeros((parts, k, padded(n, X.itemsize)), X.dtype)
        work = make(X, seats(parts), k, samples, order.size == 0)
        for task in prange(parts):
            part = np.int64(task)
            start, stop = samples * part // parts, samples * (part + 1) // parts
            over_blocks(X, order, start, stop, stop, seat(), work, (deltas, G[part]))
        return add(G, parts, 1.0, False, np.empty((k, n)), grad.T)

    signature = types.boolean(reads(real, 2), reads(types.int64, 1), reads(real, 2), writes(real, 2))
    return parallel(signature, layout)(named(gradient, layout.name, dtype.name))


@once
def fused(loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`fused(X, y, order, theta (n, k), p, grad (n, k))` → (mean loss, fine): both products from one read of X.

    `fine` is False, and nothing else can be relied on, if shapes do not fit or a target is none; and it is False if the
    mean or any of `grad`, the mean gradient, is infinite or NaN.
    """
    real = real_type(dtype)
    extent, make = layout.extent, desk(layout)
    visit, share = visits(loss, layout, dtype)
    add = adding(dtype)
    alone, one_logit = inline(_alone(loss, layout)), loss.target.one_logit

    def fused(X, y, order, theta, p, grad):
        n, k = theta.shape
        all_samples, width = extent(X)
        if width != n or len(y) != all_samples or (y.ndim == 2 and y.shape[1] != k) or grad.shape != theta.shape:
            return np.nan, False
        if X.size == 0 or k == 0 or (one_logit and k != 1):
            return np.nan, False
        samples = order.size if order.size else all_samples
        if samples == 1:
            return alone(X, y, order, theta, p, grad)
        parts = partials(samples, n, k, X.itemsize)
        length = padded(n, X.itemsize)
        W, G, losses = turned(theta, length), np.empty((parts, k, length), X.dtype), np.empty(parts)
        table = make(X, seats(parts), k, samples, order.size == 0)
        data, work, weight = (X, y, order), table + places(table[0], y), 1.0 / samples
        if parts == 1:  # no thread is woken for a small batch
            clear(G, 0)
            losses[0] = visit(data, 0, samples, samples, 0, W, p, weight, 1.0, work, G[0])
        else:
            share(data, 0, samples, samples, parts, W, p, weight, 1.0, work, G, losses)
        mean = add_weighed(0.0, losses, parts, 1.0)
        return mean, add(G, parts, weight, False, np.empty((k, n)), grad.T) and np.isfinite(mean)

    signature = types.Tuple((types.float64, types.boolean))(
        reads(real, 2), reads_targets(loss.target, real), reads(types.int64, 1), reads(real, 2), reads(real, 1), writes(real, 2)
    )  # fmt: skip
    return serial(signature, loss, layout)(named(fused, loss.name, layout.name, dtype.name))


def _alone(loss: type[Loss], layout: type[Layout]) -> Kernel:
    """`fused` for one sample, with θ as the caller has it."""
    block, as_row, take = loss.block, layout.as_row, TAKE[loss.target]

    def alone(X, y, order, theta, p, grad):
        n, k = theta.shape
        H, spare, v, targets = place_for_one(X, y, k)
        sample = order[0] if order.size else 0
        fine = take(y, sample, targets, 0, k)
        A, row, _ = as_row(X, sample, sample, np.empty((1, n), X.dtype), 0)
        product(A, row, theta, H)
        block(H.reshape(k, 1), 1, targets, v, p, spare)
        outer(A, row, H, grad)
        # No |x·δ| is above Σ|x| · Σ|δ|. Where that is too much, `fine` may be too careful: the caller looks for himself.
        return v[0], fine and np.isfinite(v[0]) and np.isfinite(total_size(A[row]) * total_size(H[0]))

    return alone
