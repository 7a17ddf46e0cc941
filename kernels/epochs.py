"""An epoch of stochastic gradient descent in compiled code: gather by the order, step, next; nothing is made on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from kernels._jit import inline, link_threads, named, once, serial
from kernels.arrays import empty, folded, zeros
from kernels.blocks import TAKE, add_weighed, desk, places
from kernels.layouts import Layout
from kernels.losses import Loss
from kernels.losses.base import SPARE
from kernels.plain import PAIR
from kernels.signatures import Kernel, epoch_signature, real_type
from kernels.simd import step
from kernels.slices import cut, epoch_by, joined, slices, span, team_for, together, total_of
from kernels.sums import adding, all_finite, clear, finite, padded, partials, turn_back, turned
from kernels.teams import PATIENCE, join, meet, staying
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
    block, as_row, take, room_for = loss.block, layout.as_row, TAKE[loss.target], layout.room_for
    link_threads()

    def member_singly(X, y, order, theta, p, batch, step_size, team, out):
        W, shares, _, room, board, outcome = team
        number, size = join(board, PATIENCE)
        if size == 0:
            return
        (n, k), several, buffer = theta.shape, W.shape[0], room[0]
        samples = order.size if order.size else len(y)
        spare, v = empty((SPARE, 1), X.dtype), empty(1, np.float64)
        targets = empty((PAIR, 1) + y.shape[1:], y.dtype)  # noqa: RUF005  Numba has no starred tuples
        H, scales, rows = empty((PAIR, k), X.dtype), zeros((PAIR, k), X.dtype), empty((3, PAIR), np.int64)
        A, _, _ = as_row(X, 0, 0, 0, 0, buffer, 0)
        mean, fine, waits, weight, rate = 0.0, True, 0, 1.0 / samples, X.dtype.type(-step_size)
        cut(theta, W, number, size)
        for first in range(0, samples, PAIR):
            turn, count = first // PAIR, min(PAIR, samples - first)
            share, slot = shares[turn & 1], PAIR * (turn & 1)
            for s in range(number, several, size):
                start, stop = span(n, several, X.itemsize, s)
                for i in range(PAIR):
                    sample, later = nth(order, first + i, samples), nth(order, first + i + PAIRS_AHEAD * PAIR, samples)
                    A, rows[1, i], rows[2, i] = as_row(X, sample, later, start, stop, buffer, slot + i)
                    fine &= take(y, sample, targets[i], 0, k)
                    if turn == 0:  # none has been met yet, and the scales are 0
                        rows[0, i] = rows[1, i]
                step(A, rows, start, stop - start, W[s], scales, share[s], slot > 0)
            waits = meet(board, number, size, turn + 1, waits)
            together(share, H, k)
            for i in range(count):
                if i == 1:
                    overlap = total_of(share, PAIR, 0)
                    for j in range(k):
                        H[1, j] += scales[0, j] * overlap
                block(folded(H[i], (k, 1)), 1, targets[i], v, p, spare)
                mean += v[0] * weight
                for j in range(k):
                    scales[i, j] = H[i, j] * rate
            for i in range(PAIR):  # Numba takes a second to compile rows[0] = rows[1]
                rows[0, i] = rows[1, i]
                for j in range(k if i >= count else 0):
                    scales[i, j] = 0
            size = staying(board, number, size, turn + 1)
            if size == 0:
                return
        last = -(-samples // PAIR)
        for s in range(number, several, size):
            start, stop = span(n, several, X.itemsize, s)
            step(A, rows, start, stop - start, W[s], scales, shares[last & 1, s], False)
        joined(W, out, number, size)
        if number == 0:
            outcome[0] = mean if fine else np.nan

    @inline
    def team(X, theta, order, batch, samples):
        n, k = theta.shape
        height, width = room_for(n, 2 * PAIR, False)
        return team_for(X, theta, PAIR + 1, k, 0, (1, height, width), slices(1, n, k), samples * n * k)

    return epoch_by(member_singly, team, loss, layout, dtype, "singly")


@inline
def nth(order, t, samples):
    """The number of the sample visited at t; beyond the last one, that one again."""
    t = min(t, samples - 1)
    return order[t] if order.size else t


@once
def epoch(loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`epoch(X, y, order, theta (n, k), p, batch, step_size)` → (mean loss met, fine): θ ← θ − step · mean gradient of each batch.

    Of batches that are summed first, on all threads if it is worth their while.
    """
    real = real_type(dtype)
    make = desk(layout)
    visit, share = visits(loss, layout, dtype)
    add = adding(dtype)

    def epoch(X, y, order, theta, p, batch, step_size):
        n, k = theta.shape
        samples = order.size if order.size else len(y)
        most = partials(batch, n, k, X.itemsize)
        table = make(X, seats(most), n, k, batch, order.size == 0)
        v, targets = places(table[0], y)
        length = padded(n, X.itemsize)
        losses, W, stale = empty(most, np.float64), turned(theta, length), zeros(most, np.bool_)
        copies, G = folded(W, (1, k, length)), empty((most, k, length), X.dtype)
        mean = 0.0
        for first in range(0, samples, batch):
            size = min(batch, samples - first)
            stop, weight, parts = first + size, 1.0 / size, partials(size, n, k, X.itemsize)
            given = (y, theta, copies, stale, p, weight, v, targets)
            if parts == 1:
                clear(G, 0)
                losses[0] = visit(X, order, first, stop, stop, 0, table, given, G[0])
            else:
                share(X, order, first, size, batch, parts, table, given, G, losses)
            mean = add_weighed(mean, losses, parts, size / samples)
            add(G, parts, n, -step_size * weight, True, W)
        turn_back(W, 0, n, theta)
        return mean, all_finite(theta) and finite(mean)

    signature = epoch_signature(loss.target, real, types.int64)
    return serial(signature, loss, layout)(named(epoch, loss.name, layout.name, dtype.name))
