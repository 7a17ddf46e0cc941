"""The passes by slices of features, for batches that stay in cache: a team of threads, each with features of its own.

A thread has its part of the batch in its second-level cache in both products, and nothing is added up but the logits.
Samples that a layout has to copy first (columns, in another order) are not for this: `Objective` leaves them to the others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels._jit import inline, link, named, once, serial
from kernels.arrays import empty
from kernels.blocks import TAKE, add_weighed, pick, rescale
from kernels.layouts import Layout
from kernels.losses import Loss
from kernels.losses.base import SPARE, block_of
from kernels.passes import fitting
from kernels.signatures import Kernel, fused_signature, real_type
from kernels.slices import (
    LEAST_TEAMWORK,
    cut,
    epoch_by,
    joined,
    room_in_slices,
    slices,
    span,
    team_for,
    teamwork,
    together,
)
from kernels.sums import all_finite, clear, finite, partials
from kernels.teams import LOOKS, PATIENCE, join, meet, staying

# A slice of a batch stays in the second-level cache until the step, or in the first-level one of a thread by itself, whose other
# way is in blocks. Its logits go from core to core.
SLICE_BYTES, WHOLE_BYTES, MOST_LOGITS = 1 << 19, 1 << 15, 1 << 14


def fits(batch: int, n: int, k: int, itemsize: int, slice_bytes: int = SLICE_BYTES) -> bool:
    """Whether a batch is for slices: it stays in cache, and is not worth more threads than there are slices."""
    several = slices(batch, n, k)
    room = several * slice_bytes if several > 1 else WHOLE_BYTES
    return batch * n * itemsize <= room and batch * k <= MOST_LOGITS and partials(batch, n, k, itemsize) <= several


def pays(samples: int, n: int, k: int, itemsize: int) -> bool:
    """Whether value and gradient of so many samples are best formed by slices: by several threads, or not at all."""
    worth = samples > 1 and slices(samples, n, k) > 1 and samples * n * k >= LEAST_TEAMWORK
    return worth and fits(samples, n, k, itemsize, 2 * SLICE_BYTES)  # no other batch comes in meanwhile


def parts(loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any]) -> tuple[Kernel, ...]:
    """What the passes are made of: the `team`; and for each of it, the `desk` it works at, `deltas` and `gather`."""
    logits, accumulate, extent = layout.logits, layout.accumulate, layout.extent
    take, block = TAKE[loss.target], block_of(loss, dtype)
    link(real_type(dtype), "dots", "mixtures")

    @inline
    def team(X, theta, order, batch, samples):
        n, k = theta.shape
        several = slices(batch, n, k)
        _, longest = span(n, several, X.itemsize, 0)
        return team_for(X, theta, k, batch, max(longest, batch), (1, 0, 0), several, samples * n * k)

    @inline
    def desk(X, y, k, batch):
        targets = empty((batch,) + y.shape[1:], y.dtype)  # noqa: RUF005  Numba has no starred tuples
        return empty((k + SPARE, batch), X.dtype), empty(batch, np.float64), targets, empty((2, batch), np.int64)

    @inline
    def deltas(X, y, order, theta, p, first, then, count, turn, scale, team, number, size, waits, desk):
        """The samples' deltas, times `scale`, at the desk; the samples at `then` come next. Waits so far; are targets fine?"""
        W, shares, features, room, board, _ = team
        table, v, targets, numbers = desk
        (n, k), several, in_turn = theta.shape, W.shape[0], order.size == 0
        end = extent(X)[0] if in_turn else order.size
        picks, ahead, share, fine = numbers[0], numbers[1], shares[turn & 1], True
        pick(order, first, end, count, picks)
        pick(order, then, end, count, ahead)
        for s in range(number, several, size):
            start, stop = span(n, several, X.itemsize, s)
            own, some = features[s], stop - start
            logits(X, picks, ahead, count, in_turn, features[0], own, some, W[s], share[s], room[0], True)
        for r in range(count):
            fine &= take(y, picks[r], targets, r, k)
        waits = meet(board, number, size, turn + 1, waits)
        H = table[:k]
        together(share, H, count)
        block(H, count, targets, v, p, table[k:])
        rescale(H, count, X.dtype.type(scale))
        return waits, fine

    @inline
    def gather(X, order, theta, count, team, number, size, desk, G):
        """G (slices, k, …) += the gradient of the samples whose deltas are at the desk, in the member's own slices."""
        W, _, features, room, _, _ = team
        table, _, _, numbers = desk
        (n, k), several, in_turn = theta.shape, W.shape[0], order.size == 0
        H, picks, ahead = table[:k], numbers[0], numbers[1]
        for s in range(number, several, size):
            start, stop = span(n, several, X.itemsize, s)
            own, some = features[s], stop - start
            accumulate(X, picks, ahead, count, in_turn, features[0], own, some, H, G[s], room[0], True)

    return team, desk, deltas, gather


@once
def fused(loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`kernels.passes.fused`, by slices."""
    make_team, desk, deltas, gather = parts(loss, layout, dtype)
    agree = fitting(loss, layout)

    def member_fused(X, y, order, theta, p, samples, weight, team, grad):
        W, board, outcome = team[0], team[4], team[5]
        number, size = join(board, LOOKS)
        if size == 0:
            return
        (n, k), several = theta.shape, W.shape[0]
        own, G = desk(X, y, k, samples), room_in_slices(several, n, k, X)
        cut(theta, W, number, size)
        for s in range(number, several, size):
            clear(G, s)
        _, fine = deltas(X, y, order, theta, p, 0, samples, samples, 0, weight, team, number, size, 0, own)
        gather(X, order, theta, samples, team, number, size, own, G)
        joined(G, grad, number, size)
        if number == 0:
            outcome[0] = add_weighed(0.0, own[1], samples, weight) if fine else np.nan

    work = teamwork(member_fused, loss, layout, dtype)

    def fused(X, y, order, theta, p, grad):
        if not agree(X, y, theta, grad):
            return np.nan, False
        samples = order.size if order.size else len(y)
        team = make_team(X, theta, order, samples, samples)
        work(X, y, order, theta, p, samples, 1.0 / samples, team, grad)
        mean = team[5][0]
        return mean, all_finite(grad) and finite(mean)

    signature = fused_signature(loss.target, real_type(dtype))
    return serial(signature, loss, layout)(named(fused, "sliced", loss.name, layout.name, dtype.name))


@once
def epoch(loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`kernels.epochs.epoch`, by slices: each batch goes into θ at once."""
    make_team, desk, deltas, gather = parts(loss, layout, dtype)

    def member_epoch(X, y, order, theta, p, batch, step_size, team, out):
        W, board, outcome = team[0], team[4], team[5]
        number, size = join(board, PATIENCE)
        if size == 0:
            return
        samples = order.size if order.size else len(y)
        own = desk(X, y, theta.shape[1], batch)
        cut(theta, W, number, size)
        mean, fine, waits = 0.0, True, 0
        for first in range(0, samples, batch):
            turn, count = first // batch, min(batch, samples - first)
            scale = -step_size / count
            waits, targets = deltas(
                X, y, order, theta, p, first, first + batch, count, turn, scale, team, number, size, waits, own
            )
            gather(X, order, theta, count, team, number, size, own, W)
            fine &= targets
            mean = add_weighed(mean, own[1], count, 1.0 / samples)
            size = staying(board, number, size, turn + 1)
            if size == 0:
                return
        joined(W, out, number, size)
        if number == 0:
            outcome[0] = mean if fine else np.nan

    return epoch_by(member_epoch, make_team, loss, layout, dtype, "sliced")
