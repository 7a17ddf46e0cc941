"""An epoch of stochastic gradient descent in compiled code: gather by the order, step, next; nothing is made on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from kernels._jit import link, named, once, serial
from kernels.blocks import TAKE, add_weighed, desk, place_for_one, places
from kernels.layouts import Layout
from kernels.losses import Loss
from kernels.signatures import Kernel, epoch_signature, real_type
from kernels.simd import step
from kernels.sums import adding, clear, padded, partials, returned, turned
from kernels.threads import seats
from kernels.visits import visits


@once
def epoch_singly(loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`epoch` for batches of one sample: a step is taken while the next sample's logits are formed."""
    real = real_type(dtype)
    link(real)
    block, as_row, take, extent = loss.block, layout.as_row, TAKE[loss.target], layout.extent

    def epoch_singly(X, y, order, theta, p, step_size):
        n, k = theta.shape
        samples = order.size if order.size else extent(X)[0]
        H, spare, v, targets = place_for_one(X, y, k)
        buffer = np.empty((2, n), X.dtype)
        W, scales = turned(theta, n), np.zeros((1, k), X.dtype)
        sample = order[0] if order.size else 0
        A, old, _ = as_row(X, sample, sample, buffer, 0)
        mean, fine, weight, rate = 0.0, True, 1.0 / samples, X.dtype.type(-step_size)
        for t in range(samples):
            fine &= take(y, sample, targets, 0, k)
            after = min(t + 1, samples - 1)
            later = order[after] if order.size else after
            A, new, ahead = as_row(X, sample, later, buffer, t % 2)
            step(A, old, new, ahead, W, scales, H, t % 2 == 1)
            block(H.reshape(k, 1), 1, targets, v, p, spare)
            mean += v[0] * weight
            for j in range(k):
                scales[0, j] = H[0, j] * rate
            old, sample = new, later
        step(A, old, old, old, W, scales, H, False)
        return mean, returned(W, theta) and fine and np.isfinite(mean)

    signature = epoch_signature(loss.target, real)
    return serial(signature, loss, layout)(named(epoch_singly, loss.name, layout.name, dtype.name))


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
        losses, W, totals = np.empty(most), turned(theta, length), np.empty((k, n))
        at_once = most == 1 and batch <= table[0].shape[2]
        G = W.reshape(1, k, length) if at_once else np.empty((most, k, length), X.dtype)
        mean = 0.0
        for first in range(0, samples, batch):
            size = min(batch, samples - first)
            stop, weight = first + size, 1.0 / size
            parts = 1 if at_once else partials(size, n, k, X.itemsize)
            scale = -step_size * weight if at_once else 1.0
            given = (y, W, p, weight, scale, v, targets)
            if parts == 1:
                if not at_once:
                    clear(G, 0)
                losses[0] = visit(X, order, first, stop, stop, 0, table, given, G[0])
            else:
                share(X, order, first, size, batch, parts, table, given, G, losses)
            mean = add_weighed(mean, losses, parts, size / samples)
            if not at_once:
                add(G, parts, -step_size * weight, True, totals, W[:, :n])
        return mean, returned(W, theta) and np.isfinite(mean)

    signature = epoch_signature(loss.target, real, types.int64)
    return serial(signature, loss, layout)(named(epoch, loss.name, layout.name, dtype.name))
