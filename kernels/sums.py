"""Partial sums: how many there are, how θ lies while they are formed, and how they are added up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange, types

from kernels._jit import apart, inline, link, linked, named, once, parallel
from kernels.signatures import Kernel, real_type, writes

# A partial sum is worth a thread's while from about this many multiply-adds on (some 10 µs of work).
WORK_PER_PARTIAL = 1 << 18
MAX_PARTIALS = 32
# Partial gradients take no more bytes than this, unless two of them do.
MAX_PARTIAL_BYTES = 3 << 18
# Features that a thread adds up at a time.
SPAN = 64


@inline
def partials(samples: int, n: int, k: int, itemsize: int) -> int:
    """Number of partial sums for a pass over so many samples: a power of two that depends on the size alone."""
    room = max(2, MAX_PARTIAL_BYTES // (n * k * itemsize))
    wanted = min(samples * n * k // WORK_PER_PARTIAL, MAX_PARTIALS, room, samples)
    count = 1
    while 2 * count <= wanted:
        count *= 2
    return count


@inline
def padded(n, itemsize):
    """The length of a row that holds n numbers: rows a large power of two apart would share a few places of a cache."""
    return n + 64 // itemsize if n * itemsize % 512 == 0 else n


@inline
def turned(theta, width):
    """θ (n, k) as (k, n), the kernels' own form; rows of `width` numbers, n or what `padded` makes of it."""
    n, k = theta.shape
    W = np.empty((k, width), theta.dtype)
    for f in range(n):
        for j in range(k):
            W[j, f] = theta[f, j]
    return W


@inline
def returned(W, theta):
    """theta (n, k) ← W (k, n); whether all of it is finite."""
    n, k = theta.shape
    for f in range(n):
        for j in range(k):
            theta[f, j] = W[j, f]
    return all_finite(theta)


@inline
def clear(G, part):
    """G[part] ← 0"""
    for j in range(G.shape[1]):
        for f in range(G.shape[2]):
            G[part, j, f] = 0


def _span_signature(real):
    # the gradient as the caller has it, seen as (k, n), lies in steps
    whole, out = types.int64, types.Array(real, 2, "A")
    return types.boolean(
        writes(real, 3), whole, whole, whole, types.float64, types.boolean, writes(types.float64, 2), out
    )


@apart(_span_signature)
def add_span(G, parts, start, stop, weight, keep, totals, out):
    """out[j, f] ← keep · out[j, f] + weight · Σ G[part, j, f] for f in start … stop, in float64 and in the order of the parts.

    Whether all of it is finite.
    """
    zero = out.dtype.type(0)
    spoilt = zero
    for j in range(out.shape[0]):
        total, to = totals[j, start:stop], out[j, start:stop]
        first = G[0, j, start:stop]
        for f in range(total.size):
            total[f] = first[f]
        for part in range(1, parts):
            more = G[part, j, start:stop]
            for f in range(total.size):
                total[f] += more[f]
        for f in range(total.size):
            total[f] *= weight
        if keep:
            for f in range(total.size):
                total[f] += to[f]
        for f in range(total.size):  # apart from the copy, which no vector does: `out` may lie in steps
            spoilt += out.dtype.type(total[f]) * zero
        for f in range(total.size):
            to[f] = total[f]
    return spoilt == zero


@once
def adding(dtype: np.dtype[Any]) -> Kernel:
    """`add_up(G, parts, weight, keep, totals, out)`: out (k, n) ← keep · out + weight · Σ G[part] (k, …); whether it is finite.

    `keep` is a bool, `totals` (k, n) room to add in. Several partial sums are added up on all threads, each of which has
    features of its own: the gradient has those of all outputs side by side, and a cache line is best written by one thread.
    """

    def add_up(G, parts, weight, keep, totals, out):
        n, fine = out.shape[1], 0
        spans = -(-n // SPAN)
        for task in prange(spans):
            start = SPAN * np.int64(task)
            fine += add_span(G, parts, start, min(start + SPAN, n), weight, keep, totals, out)
        return fine == spans

    real = real_type(dtype)
    link(real)
    signature = types.boolean(
        writes(real, 3), types.int64, types.float64, types.boolean, writes(types.float64, 2), types.Array(real, 2, "A")
    )
    shared = linked(parallel(signature), named(add_up, dtype.name), signature)

    @inline
    def add(G, parts, weight, keep, totals, out):
        if parts > 1:
            return shared(G, parts, weight, keep, totals, out)
        return add_span(G, 1, 0, out.shape[1], weight, keep, totals, out)

    return add


@inline
def all_finite(A):
    """Whether all of a C-contiguous array is finite: 0 · ∞ and 0 · NaN are NaN."""
    zero = A.dtype.type(0)
    spoilt = zero
    for x in A.reshape(A.size):
        spoilt += x * zero
    return spoilt == zero
