"""Slices of features: θ and its gradient cut up, so that the threads of a team each have a part in their own caches.

Where samples are shared out among threads, θ goes to all of them, and each has a gradient that must be added to the others'.
Where features are, a thread has the same part of θ, of X and of the gradient in both products, and all that passes
between threads is the logits: each has a share of every one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange, types

from kernels._jit import COMPILED, apart, inline, link, linked, named, serial
from kernels.arrays import LINE_BYTES, empty
from kernels.layouts import Layout
from kernels.losses import Loss
from kernels.signatures import Kernel, epoch_signature, reads, reads_targets, real_type, writes
from kernels.sums import all_finite, finite, padded, turn, turn_back
from kernels.teams import board_for, most
from kernels.threads import seats

# Two slices pay from so many features on, and so many multiply-adds from one meeting to the next; a team, from so many in all.
LEAST_FEATURES, LEAST_WORK, LEAST_TEAMWORK = 256, 1 << 12, 1 << 18
GAP_BYTES = 128


@inline
def slices(samples: int, n: int, k: int) -> int:
    """Into how many slices the features are cut: the size alone decides, so that the sums are the same on any threads."""
    return 2 if n >= LEAST_FEATURES and samples * n * k >= LEAST_WORK else 1


@inline
def span(n, several, itemsize, s):
    """The features of slice s of several: from the first up to the one after the last. A cache line is in one slice."""
    longest = -(-n // several)
    longest += -longest % (LINE_BYTES // itemsize)
    return min(n, longest * s), min(n, longest * (s + 1))


@inline
def gap(width, itemsize):
    """So many rows of that width are left free after what one thread writes: no other has a part in its cache lines."""
    return -(-GAP_BYTES // (width * itemsize))


@inline
def room_in_slices(several, n, k, X):
    """Room for θ, or for its gradient, in slices: (slices, k, features or more)."""
    width = padded(span(n, several, X.itemsize, 0)[1], X.itemsize)
    return empty((several, k, width), X.dtype)


@inline
def cut(theta, W, number, size):
    """W (slices, k, …) ← θ (n, k), the slices of the member `number` of a team."""
    n, several = theta.shape[0], W.shape[0]
    for s in range(number, several, size):
        start, stop = span(n, several, W.itemsize, s)
        turn(theta, start, stop, W[s])


@inline
def joined(W, theta, number, size):
    """θ (n, k) ← W (slices, k, …), the slices of the member `number` of a team."""
    n, several = theta.shape[0], W.shape[0]
    for s in range(number, several, size):
        start, stop = span(n, several, W.itemsize, s)
        turn_back(W[s], start, stop, theta)


@inline
def together(shares, H, count):
    """H[:, :count] = Σ shares, in their order."""
    for j in range(H.shape[0]):
        for r in range(count):
            H[j, r] = shares[0, j, r]
        for s in range(1, shares.shape[0]):
            for r in range(count):
                H[j, r] += shares[s, j, r]


@inline
def total_of(shares, j, r):
    """The same for one number."""
    total = shares[0, j, r]
    for s in range(1, shares.shape[0]):
        total += shares[s, j, r]
    return total


def team_types(real: types.Float) -> types.Tuple:
    """What the threads of a team have in common: `team_for`."""
    numbers = writes(types.int64, 2), writes(real, 3), writes(types.int64, 1), writes(types.float64, 1)
    return types.Tuple((writes(real, 3), writes(real, 4), *numbers))


def _team_signature(real: types.Float) -> Any:
    whole = types.int64
    return team_types(real)(reads(real, 2), reads(real, 2), whole, whole, whole, types.UniTuple(whole, 3), whole, whole)


@apart(_team_signature)
def team_for(X, theta, height, width, longest, rooms, several, work):
    """What the threads of a team have in common, and what each of them makes of it:

        W           θ in slices: (slices, k, …)
        shares      a slice's shares of the logits, (height, width), in turns: (2, slices, height + gap, width)
        features    the numbers of each slice's features, or 0 … `longest` of them
        room        what the layout needs to work in: `rooms`
        board       where the threads meet (`kernels.teams`)
        outcome     (1,): number 0 leaves the mean loss, NaN if a target is none

    There are as many threads as slices, or one where the `work`, in multiply-adds, is too little for more.
    """
    n, k = theta.shape
    shares = empty((2, several, height + gap(width, X.itemsize), width), X.dtype)
    features = empty((several, longest), np.int64)
    for s in range(several):
        start, _ = span(n, several, X.itemsize, s)
        for f in range(longest):
            features[s, f] = start + f
    threads = seats(several) if COMPILED and work >= LEAST_TEAMWORK else 1
    W, board = room_in_slices(several, n, k, X), board_for(threads)
    return W, shares, features, empty(rooms, X.dtype), board, empty(1, np.float64)


def teamwork(member: Kernel, loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any]) -> Kernel:
    """`member(X, y, order, theta, p, batch, scale, team, out)`, compiled on its own and run by each thread of the team."""
    real, whole = real_type(dtype), types.int64
    link(real, "team_for")
    data = reads(real, 2), reads_targets(loss.target, real), reads(whole, 1), reads(real, 2), reads(real, 1)
    signature = types.void(*data, whole, types.float64, team_types(real), writes(real, 2))
    names = (loss.name, layout.name, dtype.name)
    alone = linked(named(member, *names), signature, loss, layout)

    def share(X, y, order, theta, p, batch, scale, team, out):
        for _ in prange(most(team[4])):
            alone(X, y, order, theta, p, batch, scale, team, out)

    shared = linked(named(share, member.__name__), signature, loss, layout, threads=True)

    @inline
    def work(X, y, order, theta, p, batch, scale, team, out):
        if most(team[4]) == 1:
            alone(X, y, order, theta, p, batch, scale, team, out)
        else:
            shared(X, y, order, theta, p, batch, scale, team, out)

    return work


def epoch_by(
    member: Kernel, make_team: Kernel, loss: type[Loss], layout: type[Layout], dtype: np.dtype[Any], name: str
) -> Kernel:
    """`kernels.epochs.epoch` by a team; `make_team(X, theta, order, batch, samples)` says what it has in common."""
    work = teamwork(member, loss, layout, dtype)

    def epoch(X, y, order, theta, p, batch, step_size):
        samples = order.size if order.size else len(y)
        team = make_team(X, theta, order, batch, samples)
        work(X, y, order, theta, p, batch, step_size, team, theta)
        mean = team[5][0]
        return mean, all_finite(theta) and finite(mean)

    signature = epoch_signature(loss.target, real_type(dtype), types.int64)
    return serial(signature, loss, layout)(named(epoch, name, loss.name, layout.name, dtype.name))
