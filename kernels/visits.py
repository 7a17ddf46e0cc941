"""Visits: the samples of a batch, or of a part of it, block by block; and how parts are shared out among the threads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange, types

from kernels._jit import inline, link, linked, named, once
from kernels.blocks import TAKE, add_weighed, walk
from kernels.layouts import Layout
from kernels.losses import Loss
from kernels.losses.base import block_of
from kernels.signatures import Kernel, desk_types, reads, reads_targets, real_type, takes_targets, writes
from kernels.sums import clear, turn
from kernels.threads import seat


def shared(
    name: str, act: Kernel, given: tuple[Any, ...], parts: tuple[type[Loss] | type[Layout], ...], dtype: np.dtype[Any]
) -> tuple[Kernel, Kernel]:
    """A visit compiled on its own, and a loop of it that shares out partial sums among the threads.

    `visit(X, order, start, stop, then, seat, desk, given, out)`: the sum of what `act` returns for each block of the samples
    start … stop. `then` is where the same thread goes on after that, `desk` is from `kernels.blocks`, where the thread has
    its `seat`; `given`, a tuple of those types, is for `act` alone, and so is `out` (k, n).

    `share(X, order, first, samples, batch, parts, desk, given, out, sums)`: visits the batch at `first`. Each part of it has a
    sum of its own, and a part of `out` (parts, k, n), which is cleared first. The next batch is `batch` further on.
    """
    layout, real, whole = parts[-1], real_type(dtype), types.int64
    assert issubclass(layout, Layout)
    link(real, "dots", "mixtures")
    over_blocks = walk(layout, act)

    def visit(X, order, start, stop, then, seat, desk, given, out):
        return over_blocks(X, order, start, stop, then, seat, desk, given, out)

    names = (*(part.name for part in parts), dtype.name)
    data, desk = (reads(real, 2), reads(whole, 1)), (types.Tuple(desk_types(real)), types.Tuple(given))
    one = types.float64(*data, *[whole] * 4, *desk, writes(real, 2))
    visit = linked(named(visit, name, *names), one, *parts)

    def share(X, order, first, samples, batch, parts, desk, given, out, sums):
        for task in prange(parts):
            part = np.int64(task)
            start, stop = first + samples * part // parts, first + samples * (part + 1) // parts
            clear(out, part)
            sums[part] = visit(X, order, start, stop, start + batch, seat(), desk, given, out[part])

    every = types.void(*data, *[whole] * 4, *desk, writes(real, 3), writes(types.float64, 1))
    return visit, linked(named(share, name, *names), every, *parts, threads=True)


@once
def visits(loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any]) -> tuple[Kernel, Kernel]:
    """`visit` and `share`, given (y, theta, W, stale, p, weight, v, targets): sum losses, add gradients to `out`.

    W (copies, k, n) is θ as the kernels take it: one copy for all, or one for each seat. A copy that is `stale` is made from
    `theta` (n, k) before its first use, by the thread that uses it: what another has just written would be far away.

    The samples' losses are each multiplied by `weight`; `v` and `targets` are from `places`. NaN
    comes back if a target is none: a label beyond the classes, a negative count.
    """
    logits, accumulate, take, block = layout.logits, layout.accumulate, TAKE[loss.target], block_of(loss, dtype)

    @inline
    def act(X, picks, ahead, begin, count, in_turn, counted, table, room, seat, given, out):
        y, theta, copies, stale, p, weight, v, targets = given
        W = copies[min(seat, copies.shape[0] - 1)]
        n, k = theta.shape
        if stale[seat]:
            turn(theta, 0, n, W)
            stale[seat] = False
        H, fine = table[:k], True
        for r in range(count):
            fine &= take(y, picks[r], targets[seat], r, k)
        logits(X, picks, ahead, count, in_turn, counted, counted, n, W, H, room, True)
        block(H, count, targets[seat], v[seat], p, table[k:])
        accumulate(X, picks, ahead, count, in_turn, counted, counted, n, H, out, room, True)
        return add_weighed(0.0, v[seat], count, weight) if fine else np.nan

    real = real_type(dtype)
    given = (
        reads_targets(loss.target, real), reads(real, 2), writes(real, 3), writes(types.boolean, 1), reads(real, 1),
        types.float64, writes(types.float64, 2), takes_targets(loss.target, real),
    )  # fmt: skip
    return shared("losses", act, given, (loss, layout), dtype)
