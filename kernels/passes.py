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

from kernels._jit import bound, inline, link, linked, named, once, parallel, serial
from kernels.blocks import add_weighed, clear, collect, descend, desk, partials, places, returned, turned, visitor, walk
from kernels.layouts import Layout
from kernels.losses import Loss
from kernels.signatures import Kernel, reads, reads_targets, real_type, takes_targets, writes


@once
def forward(layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`forward(X, order, theta (n, k), out)`: the logits of the samples in `order`, written to `out` in the layout's shape."""
    real = real_type(dtype)
    link(real)
    logits, store, extent = layout.logits, layout.store, layout.extent

    @inline
    def act(X, picks, ahead, begin, count, in_turn, features, H, room, part, given):
        W, out = given
        logits(X, picks, ahead, count, in_turn, features, W, H, room)
        store(H, out, begin, count)
        spoilt = 0.0
        for j in range(H.shape[0]):
            for r in range(count):
                spoilt += H[j, r] * 0
        return spoilt

    make, over_blocks = desk(layout), walk(layout, act)

    def forward(X, order, theta, out):
        n, k = theta.shape
        samples = order.size if order.size else extent(X)[0]
        parts = partials(samples, n, k, X.itemsize)
        work, given = make(X, parts, k, samples, order.size == 0), (turned(theta), out)
        spoilt = np.empty(parts)
        for task in prange(parts):
            part = np.int64(task)
            start, stop = samples * part // parts, samples * (part + 1) // parts
            spoilt[part] = over_blocks(X, order, start, stop, part, work, given)
        return spoilt.sum() == 0

    signature = types.boolean(reads(real, 2), reads(types.int64, 1), reads(real, 2), writes(real, 2))
    return parallel(signature, layout)(named(forward, layout.name, dtype.name))


@once
def gradient(layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`gradient(X, order, deltas, grad (n, k))`: grad = XᵀΔ over the samples in `order`."""
    real = real_type(dtype)
    link(real)
    load, accumulate, extent = layout.load, layout.accumulate, layout.extent

    @inline
    def act(X, picks, ahead, begin, count, in_turn, features, H, room, part, given):
        deltas, G = given
        load(deltas, begin, count, H)
        accumulate(X, picks, count, in_turn, features, H, G[part], room)
        return 0.0

    make, over_blocks = desk(layout), walk(layout, act)

    def gradient(X, order, deltas, grad):
        n, k = grad.shape
        samples = order.size if order.size else extent(X)[0]
        parts = partials(samples, n, k, X.itemsize)
        G = np.zeros((parts, k, n), X.dtype)
        work, given = make(X, parts, k, samples, order.size == 0), (deltas, G)
        for task in prange(parts):
            part = np.int64(task)
            start, stop = samples * part // parts, samples * (part + 1) // parts
            over_blocks(X, order, start, stop, part, work, given)
        return collect(G, parts, 1.0, grad)

    signature = types.boolean(reads(real, 2), reads(types.int64, 1), reads(real, 2), writes(real, 2))
    return parallel(signature, layout)(named(gradient, layout.name, dtype.name))


@once
def _visit(loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any]) -> tuple[Kernel, Kernel]:
    """`kernels.blocks.visitor` compiled on its own, and a loop of it that shares out partial sums among the threads.

    `share(…, first, samples, batch, parts, …, losses)` visits the batch at `first`; the next one is `batch` further on.
    """
    real = real_type(dtype)
    link(real)
    parts_of = (loss, layout)
    before = (reads(real, 2), reads_targets(loss.target, real), reads(types.int64, 1))
    after = (
        writes(real, 2), reads(real, 1), types.float64, types.float64, writes(real, 3), writes(real, 3),
        writes(types.int64, 3), reads(types.int64, 1), writes(types.float64, 2), takes_targets(loss.target, real), writes(real, 3),
    )  # fmt: skip
    signature = types.float64(*before, *[types.int64] * 4, *after)
    function = named(visitor(loss, layout), loss.name, layout.name, dtype.name)
    visit = linked(serial(signature, *parts_of), function, signature)

    def share(X, y, order, first, samples, batch, parts, theta, p, weight, scale, desk, room, numbers, features, v, targets, out, losses):
        for task in prange(parts):
            part = np.int64(task)
            start, stop = first + samples * part // parts, first + samples * (part + 1) // parts
            losses[part] = visit(
                X, y, order, start, stop, start + batch, part, theta, p, weight, scale, desk, room, numbers, features, v, targets, out
            )

    signature = types.void(*before, *[types.int64] * 4, *after, writes(types.float64, 1))
    function = named(bound(share, visit=visit), loss.name, layout.name, dtype.name)
    return visit, linked(parallel(signature, *parts_of), function, signature)


@once
def fused(loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`fused(X, y, order, theta (n, k), p, grad (n, k))` → (mean loss, fine): both products from one read of X.

    `fine` is False, and nothing else can be relied on, if shapes do not fit or a target is none; and it is False if the
    mean or any of `grad`, the mean gradient, is infinite or NaN.
    """
    real = real_type(dtype)
    extent, make = layout.extent, desk(layout)
    visit, share = _visit(loss, layout, dtype)

    def fused(X, y, order, theta, p, grad):
        n, k = theta.shape
        all_samples, width = extent(X)
        if width != n or len(y) != all_samples or (y.ndim == 2 and y.shape[1] != k) or grad.shape != theta.shape:
            return np.nan, False
        samples = order.size if order.size else all_samples
        parts = partials(samples, n, k, X.itemsize)
        W, G, losses = turned(theta), np.zeros((parts, k, n), X.dtype), np.empty(parts)
        desk, room, numbers, features = make(X, parts, k, samples, order.size == 0)
        v, targets = places(desk, y)
        weight = 1.0 / samples
        if parts == 1:  # no thread is woken for a small batch
            losses[0] = visit(X, y, order, 0, samples, samples, 0, W, p, weight, 1.0, desk, room, numbers, features, v, targets, G)
        else:
            share(X, y, order, 0, samples, samples, parts, W, p, weight, 1.0, desk, room, numbers, features, v, targets, G, losses)
        mean = add_weighed(0.0, losses, parts, 1.0)
        return mean, collect(G, parts, weight, grad) and np.isfinite(mean)

    signature = types.Tuple((types.float64, types.boolean))(
        reads(real, 2), reads_targets(loss.target, real), reads(types.int64, 1), reads(real, 2), reads(real, 1), writes(real, 2)
    )  # fmt: skip
    function = bound(fused, visit=visit, share=share)
    return serial(signature, loss, layout)(named(function, loss.name, layout.name, dtype.name))


@once
def epoch(loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`epoch(X, y, order, theta (n, k), p, batch, step)` → (mean loss met, fine): θ ← θ − step · mean gradient of each batch.

    A batch of one block goes into θ at once; a bigger one is summed first, on all threads if it is worth their while.
    """
    real = real_type(dtype)
    extent, make = layout.extent, desk(layout)
    visit, share = _visit(loss, layout, dtype)

    def epoch(X, y, order, theta, p, batch, step):
        n, k = theta.shape
        samples = order.size if order.size else extent(X)[0]
        most = partials(batch, n, k, X.itemsize)
        desk, room, numbers, features = make(X, most, k, batch, order.size == 0)
        v, targets = places(desk, y)
        losses, total = np.empty(most), np.empty(n)
        W = turned(theta)
        at_once = most == 1 and batch <= desk.shape[2]
        G = W.reshape(1, k, n) if at_once else np.empty((most, k, n), X.dtype)
        mean = 0.0
        for first in range(0, samples, batch):
            size = min(batch, samples - first)
            weight = 1.0 / size
            parts = 1 if at_once else partials(size, n, k, X.itemsize)
            scale = -step * weight if at_once else 1.0
            if not at_once:
                clear(G, parts)
            if parts == 1:
                losses[0] = visit(
                    X, y, order, first, first + size, first + size, 0, W, p, weight, scale, desk, room, numbers, features, v, targets, G
                )
            else:
                share(X, y, order, first, size, batch, parts, W, p, weight, scale, desk, room, numbers, features, v, targets, G, losses)
            mean = add_weighed(mean, losses, parts, size / samples)
            if not at_once:
                descend(W, G, parts, step * weight, total)
        return mean, returned(W, theta) and np.isfinite(mean)

    signature = types.Tuple((types.float64, types.boolean))(
        reads(real, 2), reads_targets(loss.target, real), reads(types.int64, 1), writes(real, 2), reads(real, 1),
        types.int64, types.float64,
    )  # fmt: skip
    function = bound(epoch, visit=visit, share=share)
    return serial(signature, loss, layout)(named(function, loss.name, layout.name, dtype.name))
