"""An epoch of stochastic gradient descent in compiled code: gather by the order, step, next; nothing is made on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from kernels._jit import inline, named, once, serial
from kernels.blocks import TAKE, add_weighed, desk, place_for_one, places
from kernels.layouts import Layout
from kernels.losses import Loss
from kernels.plain import PAIR
from kernels.signatures import Kernel, epoch_signature, real_type
from kernels.simd import step
from kernels.sums import adding, clear, finite, padded, partials, returned, turned
from kernels.threads import seats
from kernels.visits import visits

# How many pairs of samples before its turn one is asked for: by then it has come from memory.
PAIRS_AHEAD = 2


@once
def epoch_singly(loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`epoch` for batches of one sample: two steps are taken while the next two samples' logits are formed.

    The second of two samples meets a θ that the first one has moved along its own features, x₁: its logits are those of the
    θ before, and x₁ᵀx₂ times the step. So θ is gone through once for two steps, and they are what they are one by one.
    """
    real = real_type(dtype)
    block, as_row, take, extent = loss.block, layout.as_row, TAKE[loss.target], layout.extent

    def epoch_singly(X, y, order, theta, p, step_size):
        n, k = theta.shape
        samples = order.size if order.size else extent(X)[0]
        _, spare, v, targets = place_for_one(X, y, k)
        H, scales, W = np.empty((PAIR, k), X.dtype), np.zeros((PAIR, k), X.dtype), turned(theta, n)
        buffer, rows = np.empty((2 * PAIR, n), X.dtype), np.zeros((3, PAIR), np.int64)
        mean, fine, weight, rate = 0.0, True, 1.0 / samples, X.dtype.type(-step_size)
        A, rows[0, 0], _ = as_row(X, 0, 0, buffer, 0)  # nothing yet: the scales are 0
        rows[0, 1] = rows[0, 0]
        for first in range(0, samples, PAIR):
            count = min(PAIR, samples - first)
            for i in range(PAIR):
                sample, later = nth(order, first + i, samples), nth(order, first + i + PAIRS_AHEAD * PAIR, samples)
                A, rows[1, i], rows[2, i] = as_row(X, sample, later, buffer, (first + i) % (2 * PAIR))
            step(A, rows, W, scales, H, first % (2 * PAIR) == 0)
            for i in range(count):
                if i == 1:
                    shift(H[1], scales[0], A[rows[1, 0]], A[rows[1, 1]])
                fine &= take(y, nth(order, first + i, samples), targets, 0, k)
                block(H[i].reshape(k, 1), 1, targets, v, p, spare)
                mean += v[0] * weight
                for j in range(k):
                    scales[i, j] = H[i, j] * rate
            for i in range(PAIR):  # Numba takes a second to compile rows[0] = rows[1]
                rows[0, i] = rows[1, i]
                for j in range(k if i >= count else 0):
                    scales[i, j] = 0
        step(A, rows, W, scales, H, False)
        return mean, returned(W, theta) and fine and finite(mean)

    signature = epoch_signature(loss.target, real)
    return serial(signature, loss, layout)(named(epoch_singly, loss.name, layout.name, dtype.name))


@inline
def nth(order, t, samples):
    """The number of the sample visited at t; beyond the last one, that one again."""
    t = min(t, samples - 1)
    return order[t] if order.size else t


@inline
def shift(h, scales, one, other):
    """h += scales · oneᵀother"""
    total = one.dtype.type(0)
    for f in range(one.size):
        total += one[f] * other[f]
    for j in range(h.size):
        h[j] += scales[j] * total


@once
def epoch(loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`epoch(X, y, order, theta (n, k), p, batch, step_size)` → (mean loss met, fine): θ ← θ − step · mean gradient of each batch.

    A batch of one block goes into θ at once; a bigger one is summed first, on all threads if it is worth their while.
    """
    real = real_type(dtype)
    extent, make = layout.extent, desk(layout)
    visit, share = visits(loss, layout, dtype)
    add = adding(dtype)

    def epoch(X, y, order, theta, p, batch, step_size):
        n, k = theta.shape
        samples = order.size if order.size else extent(X)[0]
        most = partials(batch, n, k, X.itemsize)
        table = make(X, seats(most), k, batch, order.size == 0)
        v, targets = places(table[0], y)
        length = padded(n, X.itemsize)
        losses, W, stale = np.empty(most), turned(theta, length), np.zeros(most, np.bool_)
        at_once, copies = most == 1 and batch <= table[0].shape[2], W.reshape(1, k, length)
        G = copies if at_once else np.empty((most, k, length), X.dtype)
        mean = 0.0
        for first in range(0, samples, batch):
            size = min(batch, samples - first)
            stop, weight = first + size, 1.0 / size
            parts = 1 if at_once else partials(size, n, k, X.itemsize)
            scale = -step_size * weight if at_once else 1.0
            given = (y, theta, copies, stale, p, weight, scale, v, targets)
            if parts == 1:
                if not at_once:
                    clear(G, 0)
                losses[0] = visit(X, order, first, stop, stop, 0, table, given, G[0])
            else:
                share(X, order, first, size, batch, parts, table, given, G, losses)
            mean = add_weighed(mean, losses, parts, size / samples)
            if not at_once:
                add(G, parts, n, -step_size * weight, True, W)
        return mean, returned(W, theta) and finite(mean)

    signature = epoch_signature(loss.target, real, types.int64)
    return serial(signature, loss, layout)(named(epoch, loss.name, layout.name, dtype.name))
