"""The compiled passes over X: the logits, the gradient, and both with the loss between them from one read of X.

A factory per pass joins a loss (what), a layout (where in memory) and a float type into one kernel, compiled for exactly
one signature, kept in this process and cached on disk. `kernels.blocks` says how samples are cut up: the number of
partial sums follows from the problem's size alone, and they are added in a fixed order, so that the same bits come out
on any number of threads. Each kernel also says whether all that it computed is finite.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels._jit import inline, named, once, serial
from kernels.arrays import empty, folded
from kernels.blocks import TAKE, add_weighed, desk, place_for_one, places, spoilt, total_size
from kernels.layouts import Layout
from kernels.losses import Loss
from kernels.signatures import Kernel, fused_signature, product_signature, reads, real_type, writes
from kernels.simd import outer, product
from kernels.sums import adding, clear, finite, padded, partials, turned
from kernels.threads import seats
from kernels.visits import shared, visits


@once
def forward(layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`forward(X, order, theta (n, k), out)`: the logits of the samples in `order`, written to `out` in the layout's shape."""
    real = real_type(dtype)
    logits, store, extent, make = layout.logits, layout.store, layout.extent, desk(layout)

    @inline
    def act(X, picks, ahead, begin, count, in_turn, counted, table, room, seat, given, none):
        W, theta, out = given
        H = table[: W.shape[0]]
        logits(X, picks, ahead, count, in_turn, counted, counted, theta.shape[0], W, H, room, False)
        store(H, out, begin, count)
        return spoilt(H, count)

    _, share = shared("logits", act, (writes(real, 2), reads(real, 2), writes(real, 2)), (layout,), dtype)

    def forward(X, order, theta, out):
        (n, k), samples = theta.shape, extent(out)[0]
        parts = partials(samples, n, k, X.itemsize)
        table, given = (
            make(X, seats(parts), n, k, samples, order.size == 0),
            (turned(theta, padded(n, X.itemsize)), theta, out),
        )
        doubts = empty(parts, np.float64)
        share(X, order, 0, samples, 0, parts, table, given, empty((parts, 0, 0), X.dtype), doubts)
        return doubts.sum() == 0

    signature = product_signature(real)
    return serial(signature, layout)(named(forward, layout.name, dtype.name))


@once
def gradient(layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`gradient(X, order, deltas, grad (n, k))`: grad = XᵀΔ over the samples in `order`."""
    real = real_type(dtype)
    load, accumulate, extent, make = layout.load, layout.accumulate, layout.extent, desk(layout)

    @inline
    def act(X, picks, ahead, begin, count, in_turn, counted, table, room, seat, given, out):
        deltas, grad = given
        H = table[: out.shape[0]]
        load(deltas, begin, count, H)
        accumulate(X, picks, ahead, count, in_turn, counted, counted, grad.shape[0], H, out, room, False)
        return 0.0

    (_, share), add = shared("gradient", act, (reads(real, 2), writes(real, 2)), (layout,), dtype), adding(dtype)

    def gradient(X, order, deltas, grad):
        (n, k), samples = grad.shape, extent(deltas)[0]
        parts = partials(samples, n, k, X.itemsize)
        table = make(X, seats(parts), n, k, samples, order.size == 0)
        G = empty((parts, k, padded(n, X.itemsize)), X.dtype)
        share(X, order, 0, samples, 0, parts, table, (deltas, grad), G, empty(parts, np.float64))
        return add(G, parts, n, 1.0, False, grad)

    signature = product_signature(real)
    return serial(signature, layout)(named(gradient, layout.name, dtype.name))


@once
def fused(loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`fused(X, y, order, theta (n, k), p, grad (n, k))` → (mean loss, fine), for two samples or more: one read of X.

    `fine` is False, and nothing else can be relied on, if shapes do not fit or a target is none; and it is False if the
    mean or any of `grad`, the mean gradient, is infinite or NaN.
    """
    real = real_type(dtype)
    make, fits = desk(layout), fitting(loss, layout)
    visit, share = visits(loss, layout, dtype)
    add = adding(dtype)

    def fused(X, y, order, theta, p, grad):
        if not fits(X, y, theta, grad):
            return np.nan, False
        (n, k), samples = theta.shape, order.size if order.size else len(y)
        parts = partials(samples, n, k, X.itemsize)
        threads, length = seats(parts), padded(n, X.itemsize)
        W, stale = empty((threads, k, length), X.dtype), np.ones(threads, np.bool_)
        G, losses = empty((parts, k, length), X.dtype), empty(parts, np.float64)
        table, weight = make(X, threads, n, k, samples, order.size == 0), 1.0 / samples
        given = (y, theta, W, stale, p, weight) + places(table[0], y)  # noqa: RUF005  Numba has no starred tuples
        if parts == 1:  # no thread is woken for a small batch
            clear(G, 0)
            losses[0] = visit(X, order, 0, samples, samples, 0, table, given, G[0])
        else:
            share(X, order, 0, samples, samples, parts, table, given, G, losses)
        mean = add_weighed(0.0, losses, parts, 1.0)
        return mean, add(G, parts, n, weight, False, grad) and finite(mean)

    signature = fused_signature(loss.target, real)
    return serial(signature, loss, layout)(named(fused, loss.name, layout.name, dtype.name))


@once
def fused_of_one(loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`fused` for one sample, with θ as the caller has it. Where numbers are near the largest, `fine` may be too careful."""
    real = real_type(dtype)
    block, as_row, take, fits = loss.block, layout.as_row, TAKE[loss.target], fitting(loss, layout)

    def fused_of_one(X, y, order, theta, p, grad):
        if not fits(X, y, theta, grad):
            return np.nan, False
        n, k = theta.shape
        H, spare, v, targets = place_for_one(X, y, k)
        sample = order[0] if order.size else 0
        fine = take(y, sample, targets, 0, k)
        A, row, _ = as_row(X, sample, sample, 0, n, empty((1, n), X.dtype), 0)
        product(A, row, theta, H)
        block(folded(H, (k, 1)), 1, targets, v, p, spare)
        outer(A, row, H, grad)
        # No |x·δ| is above Σ|x| · Σ|δ|.
        return v[0], fine and finite(v[0]) and finite(total_size(A[row, :n]) * total_size(H[0]))

    signature = fused_signature(loss.target, real)
    return serial(signature, loss, layout)(named(fused_of_one, loss.name, layout.name, dtype.name))


def fitting(loss: type[Loss], layout: type[Layout]) -> Kernel:
    """`fits(X, y, theta, grad)`: whether there is a sample, a feature and an output, and all shapes agree.

    X may have more of what lies in a row than is used: its rows are apart then.
    """
    extent, one_logit = layout.extent, loss.target.one_logit

    def fits(X, y, theta, grad):
        n, k = theta.shape
        samples, width = extent(X)
        if width < n or samples < len(y) or (y.ndim == 2 and y.shape[1] != k) or grad.shape != theta.shape:
            return False
        return n > 0 and len(y) > 0 and (k == 1 if one_logit else k > 0)

    return inline(fits)
