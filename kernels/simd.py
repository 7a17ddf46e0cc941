"""The micro-kernels: products with X in tiles whose totals stay in vector registers.

    dots       out[j, at + r] (+)= Σᵥ A[rows[r], offset + v] · B[j, v]     logits of rows, gradient of columns
    mixtures   out[j, at + v]  +=  Σᵣ S[j, r] · A[rows[r], offset + v]     gradient of rows, logits of columns
    product, outer, step                                                   the same for one sample at a time, or for two
    total                                                                  partial sums added up, in float64

A tile of dots is `TALL` rows of A by up to `outputs_per_tile` outputs, one of mixtures as many vectors of its columns:
4 × 5 where there are 32 registers, of 16 lanes with AVX-512 and float32. Then a load feeds two multiplications and more,
and the CPU's arithmetic is what limits it. Where there is one output alone memory does, and a tile is up to `SLIM` vectors
of every row, or so many rows. What is left over at the edges is done in smaller tiles or under a mask: nothing is padded.
A row is found by its number in `rows`, so that shuffled samples cost no copy.

`kernels.plain` says what a tile computes; `kernels.tiles`, `kernels.slim` and `kernels.single` have the instructions.
"""

from __future__ import annotations

from numba import types

from kernels._jit import COMPILED, apart, inline
from kernels.signatures import reads, writes

if COMPILED:
    from kernels.single import outer_tile, product_tile, step_tile
    from kernels.slim import slim_dot_tile, slim_mixture_tile
    from kernels.tiles import SLIM, TALL, dot_tile, lanes, mixture_tile, outputs_per_tile
    from kernels.totals import total_tile
else:
    from kernels.plain import (
        SLIM,
        TALL,
        dot_tile,
        lanes,
        mixture_tile,
        outer_tile,
        outputs_per_tile,
        product_tile,
        slim_dot_tile,
        slim_mixture_tile,
        step_tile,
        total_tile,
    )


def _dots_signature(real):
    numbers = reads(types.int64, 1)
    return types.void(
        reads(real, 2), numbers, numbers, types.int64, types.int64, types.int64, types.int64, reads(real, 2), writes(real, 2),
        types.int64, types.boolean, types.boolean,
    )  # fmt: skip


@apart(_dots_signature)
def dots(A, rows, ahead, beyond, count, offset, length, B, out, at, add, half):
    """out[j, at + r] = (out[j, at + r] +) Σᵥ A[rows[r], offset + v] · B[j, v] for each r < count and each row j of B.

    What stands `beyond` numbers further on in the rows `ahead`, as many, will be wanted soon: it is fetched on the way. With
    `half` every other cache line is left to `mixtures`, which then goes through the same rows: so memory is always at work.
    Of one output both fetch all.
    """
    k = B.shape[0]
    if k == 1:
        if length <= SLIM * lanes(A):
            slim_dot_tile(A, rows, ahead, beyond, count, offset, length, B, out, at, add)
        else:
            for r in range(0, count, SLIM):
                some = min(SLIM, count - r)
                dot_tile(A, rows, ahead, beyond, r, SLIM, some, offset, length, B, 0, 1, out, at + r, add, False)
        return
    tiles = -(-k // outputs_per_tile(A))
    for r in range(0, count, TALL):
        some = min(TALL, count - r)
        for t in range(tiles):
            j = k * t // tiles
            width = k * (t + 1) // tiles - j
            dot_tile(A, rows, ahead, beyond, r, TALL, some, offset, length, B, j, width, out, at + r, add, half)


def _mixtures_signature(real):
    numbers = reads(types.int64, 1)
    return types.void(
        reads(real, 2), numbers, numbers, types.int64, types.int64, types.int64, types.int64, types.int64, reads(real, 2),
        writes(real, 2), types.int64, types.boolean,
    )  # fmt: skip


@apart(_mixtures_signature)
def mixtures(A, rows, ahead, beyond, first, count, offset, length, S, out, at, half):
    """out[j, at + v] += Σᵣ S[j, r] · A[rows[r], offset + v] for each v < length and each row j of S, r from `first` on, `count`.

    `ahead`, `beyond` and `half` are as in `dots`.
    """
    k = S.shape[0]
    full = lanes(A)
    if k == 1:
        for v in range(0, length, SLIM * full):
            last = min(SLIM * full, length - v)
            slim_mixture_tile(A, rows, ahead, beyond, first, count, offset + v, last, S, out, at + v)
        return
    tiles = -(-k // outputs_per_tile(A))
    v = 0
    while v < length:
        left = length - v
        for t in range(tiles):
            j = k * t // tiles
            width = k * (t + 1) // tiles - j
            if left >= TALL * full:
                mixture_tile(
                    A, rows, ahead, beyond, first, count, offset + v, S, j, width, out, at + v, TALL, full, half
                )
            elif left >= 2 * full:
                mixture_tile(A, rows, ahead, beyond, first, count, offset + v, S, j, width, out, at + v, 2, full, half)
            else:
                mixture_tile(
                    A, rows, ahead, beyond, first, count, offset + v, S, j, width, out, at + v, 1, min(full, left), half
                )
        v += TALL * full if left >= TALL * full else 2 * full if left >= 2 * full else full


@inline
def product(A, row, theta, out):
    """out[0, j] = Σ_f A[row, f] · theta[f, j], for θ (n, k)."""
    k = theta.shape[1]
    for j in range(0, k, lanes(A)):
        product_tile(A, row, theta, j, min(lanes(A), k - j), out)


@inline
def outer(A, row, d, grad):
    """grad[f, j] = A[row, f] · d[0, j]"""
    k = grad.shape[1]
    for j in range(0, k, lanes(A)):
        outer_tile(A, row, d, j, min(lanes(A), k - j), grad)


@inline
def step(A, rows, start, length, W, scales, out, backwards):
    """W[j, f] += Σᵢ scales[i, j] · A[rows[0, i], start + f], then out[i, j] = Σ_f W[j, f] · A[rows[1, i], start + f].

    For f < length and i < PAIR. And out[PAIR, 0] is the product of the two new rows with one another.

    The rows rows[2] come next. Of a W just too big for the first-level cache nothing is left there when it is gone through
    once more in the same direction. Turn by turn in both directions, the better part of it is.
    """
    k = W.shape[0]
    tiles = -(-k // outputs_per_tile(A))
    for turn in range(tiles):
        t = tiles - 1 - turn if backwards else turn
        j = k * t // tiles
        step_tile(A, rows, start, length, W, j, k * (t + 1) // tiles - j, scales, out, backwards, turn == 0)


def _total_signature(real):
    whole = types.int64
    return types.boolean(writes(real, 3), whole, whole, whole, types.float64, types.boolean, writes(real, 2))


@apart(_total_signature)
def total(G, parts, start, stop, weight, as_step, out):
    """Adds up G (parts, k, …) for the features start … stop, in float64 and in the order of the parts.

        as_step        out[j, f] += weight · Σ G[part, j, f]
        otherwise      out[f, j]  = weight · Σ G[part, j, f]

    Whether all of it is finite.
    """
    return total_tile(G, parts, start, stop, weight, as_step, out) == 0
