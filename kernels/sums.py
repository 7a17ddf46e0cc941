"""Partial sums: how many there are, how θ lies while they are formed, and how they are added up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange, types

from kernels._jit import inline, link, linked, named, once
from kernels.arrays import LINE_BYTES, empty, folded
from kernels.signatures import Kernel, real_type, writes
from kernels.simd import total

# A partial sum is worth a thread's while from about this many multiply-adds on (some 20 µs of work); two of them from
# half as many each.
WORK_PER_PARTIAL = 1 << 19
MAX_PARTIALS = 32
# Partial gradients take no more bytes than this, unless two of them do.
MAX_PARTIAL_BYTES = 3 << 18
# Features that a thread adds up at a time.
SPAN = 64


@inline
def partials(samples: int, n: int, k: int, itemsize: int) -> int:
    """Number of partial sums for a pass over so many samples: a power of two that depends on the size alone."""
    room = max(2, MAX_PARTIAL_BYTES // (n * k * itemsize))
    halves = 2 * samples * n * k // WORK_PER_PARTIAL
    wanted = min(max(halves // 2, min(halves, 2)), MAX_PARTIALS, room, samples)
    count = 1
    while 2 * count <= wanted:
        count *= 2
    return count


@inline
def padded(n, itemsize):
    """The length of a row that holds n numbers: rows a large power of two apart would share a few places of a cache."""
    return n + LINE_BYTES // itemsize if n * itemsize % 512 == 0 else n


@inline
def turned(theta, width):
    """θ (n, k) as (k, n), the kernels' own form; rows of `width` numbers, n or what `padded` makes of it."""
    W = empty((theta.shape[1], width), theta.dtype)
    turn(theta, 0, theta.shape[0], W)
    return W


@inline
def turn(theta, start, stop, W):
    """W (k, stop − start or more) ← the features start … stop of θ (n, k)"""
    for f in range(start, stop):
        for j in range(theta.shape[1]):
            W[j, f - start] = theta[f, j]


@inline
def turn_back(W, start, stop, theta):
    """The features start … stop of θ (n, k) ← W (k, stop − start or more)"""
    for f in range(start, stop):
        for j in range(theta.shape[1]):
            theta[f, j] = W[j, f - start]


@inline
def clear(G, part):
    """G[part] ← 0"""
    for j in range(G.shape[1]):
        for f in range(G.shape[2]):
            G[part, j, f] = 0


@once
def adding(dtype: np.dtype[Any]) -> Kernel:
    """`add(G, parts, n, weight, as_step, out)`: adds up G (parts, k, n or more) and says whether the result is finite.

        as_step        W (k, …)    += weight · Σ G[part]      θ takes a step
        otherwise      grad (n, k)  = weight · Σ G[part]ᵀ     the gradient as the caller has it

    Several partial sums are added up on all threads, each of which has features of its own: the gradient has those of all
    outputs side by side, and a cache line is best written by one thread.
    """

    def add_up(G, parts, n, weight, as_step, out):
        fine = 0
        spans = -(-n // SPAN)
        for task in prange(spans):
            start = SPAN * np.int64(task)
            fine += total(G, parts, start, min(start + SPAN, n), weight, as_step, out)
        return fine == spans

    real = real_type(dtype)
    link(real, "total")
    whole = types.int64
    signature = types.boolean(writes(real, 3), whole, whole, types.float64, types.boolean, writes(real, 2))
    shared = linked(named(add_up, dtype.name), signature, threads=True)

    @inline
    def add(G, parts, n, weight, as_step, out):
        if parts > 1:
            return shared(G, parts, n, weight, as_step, out)
        return total(G, 1, 0, n, weight, as_step, out)

    return add


@inline
def finite(x):
    """Whether a number is neither infinite nor NaN. `np.isfinite` asks for x − x, which may be rearranged into 0."""
    return abs(x) < np.inf


@inline
def all_finite(A):
    """Whether all of a C-contiguous array is finite: 0 · ∞ and 0 · NaN are NaN."""
    zero = A.dtype.type(0)
    spoilt = zero
    for x in folded(A, (A.size,)):
        spoilt += x * zero
    return spoilt == zero
