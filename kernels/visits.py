"""A visit: the samples of a batch, or of a part of it, block by block; their losses and gradients, from one read of X."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange, types

from kernels._jit import inline, link, linked, named, once, parallel, serial
from kernels.blocks import TAKE, add_weighed, rescale, walk
from kernels.layouts import Layout
from kernels.losses import Loss
from kernels.signatures import Kernel, reads, reads_targets, real_type, takes_targets, writes
from kernels.sums import clear
from kernels.threads import seat


@once
def visits(loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any]) -> tuple[Kernel, Kernel]:
    """`visit` compiled on its own, and a loop of it that shares out partial sums among the threads.

    `share(…, first, samples, batch, parts, …, out, losses)` visits the batch at `first`, with its partial sums in `out` from 0
    on; the next batch is `batch` further on.
    """
    real = real_type(dtype)
    link(real)
    data = types.Tuple((reads(real, 2), reads_targets(loss.target, real), reads(types.int64, 1)))
    work = types.Tuple((
        writes(real, 3), writes(real, 3), writes(types.int64, 3), writes(types.int64, 1), writes(types.float64, 2),
        takes_targets(loss.target, real),
    ))  # fmt: skip
    with_what = (writes(real, 2), reads(real, 1), types.float64, types.float64, work)
    one = types.float64(data, *[types.int64] * 4, *with_what, writes(real, 2))
    visit = linked(serial(one, loss, layout), named(_visit(loss, layout), loss.name, layout.name, dtype.name), one)

    def share(data, first, samples, batch, parts, theta, p, weight, scale, work, out, losses):
        for task in prange(parts):
            part = np.int64(task)
            start, stop = first + samples * part // parts, first + samples * (part + 1) // parts
            clear(out, part)
            losses[part] = visit(data, start, stop, start + batch, seat(), theta, p, weight, scale, work, out[part])

    all_parts = types.void(data, *[types.int64] * 4, *with_what, writes(real, 3), writes(types.float64, 1))
    function = named(share, loss.name, layout.name, dtype.name)
    return visit, linked(parallel(all_parts, loss, layout), function, all_parts)


def _visit(loss: type[Loss], layout: type[Layout]) -> Kernel:
    """`visit((X, y, order), start, stop, then, seat, theta, p, weight, scale, work, out)`: sum losses, add up gradients.

    The losses of the samples start … stop in the order of visit are each multiplied by `weight`, the gradients, which
    are added to `out` (k, n), by `scale`. `then` is where the same thread goes on after that; `work` is from `desk` and
    `places`, `seat` the thread's own there. NaN comes back if a target is none: a label beyond the classes, a negative count.
    """
    logits, accumulate, block, take = layout.logits, layout.accumulate, loss.block, TAKE[loss.target]

    @inline
    def act(X, picks, ahead, begin, count, in_turn, counted, table, room, seat, given):
        y, theta, p, weight, scale, v, targets, out = given
        k = theta.shape[0]
        H, fine = table[:k], True
        half = k > 1  # of one output, memory alone limits the pass: each product fetches all that it can
        for r in range(count):
            fine &= take(y, picks[r], targets[seat], r, k)
        logits(X, picks, ahead, count, in_turn, counted, theta, H, room, half)
        block(H, count, targets[seat], v[seat], p, table[k:])
        if scale != 1:
            rescale(H, count, X.dtype.type(scale))
        accumulate(X, picks, ahead, count, in_turn, counted, H, out, room, half)
        return add_weighed(0.0, v[seat], count, weight) if fine else np.nan

    over_blocks = walk(layout, act)

    def visit(data, start, stop, then, seat, theta, p, weight, scale, work, out):
        X, y, order = data
        desk, room, numbers, counted, v, targets = work
        given = y, theta, p, weight, scale, v, targets, out
        return over_blocks(X, order, start, stop, then, seat, (desk, room, numbers, counted), given)

    return visit
