"""What is written as instructions, as plain Python: what it computes, and what runs where Numba is switched off."""

from __future__ import annotations

import numpy as np

TALL, SLIM = 4, 8
EIGHT = 8
PAIR = 2  # samples that share a way through θ


def outputs_per_tile(A):
    """How many outputs a tile has at most: 5 where 20 totals fit into registers, else 3."""
    return 5


def lanes(A):
    """How many numbers of A's kind a vector holds."""
    return 4


def dot_tile(A, rows, ahead, beyond, first, height, some, offset, length, B, j, width, out, at, add, half):
    """The tile of `dots` for `some` rows from `first` on, up to `height`, and for outputs j … j + width − 1.

    The rows with the same places in `ahead` come next: they are asked for on the way.
    """
    for r in range(some):
        for c in range(width):
            total = A.dtype.type(0)
            for v in range(length):
                total += A[rows[first + r], offset + v] * B[j + c, v]
            out[j + c, at + r] = out[j + c, at + r] + total if add else total


def mixture_tile(A, rows, ahead, beyond, first, count, offset, S, j, width, out, at, vectors, last, half):
    """The tile of `mixtures` for `vectors` vectors (4, 2 or 1), the last of them cut to `last` lanes, and `width` outputs."""
    for c in range(width):
        for v in range((vectors - 1) * lanes(A) + last):
            total = A.dtype.type(0)
            for r in range(first, first + count):
                total += S[j + c, r] * A[rows[r], offset + v]
            out[j + c, at + v] += total


def slim_dot_tile(A, rows, ahead, beyond, count, offset, length, B, out, at, add):
    """The tile of `dots` for one output and short rows."""
    for r in range(count):
        total = A.dtype.type(0)
        for v in range(length):
            total += A[rows[r], offset + v] * B[0, v]
        out[0, at + r] = out[0, at + r] + total if add else total


def slim_mixture_tile(A, rows, ahead, beyond, first, count, offset, last, S, out, at):
    """The tile of `mixtures` for one output: `last` numbers of each row."""
    for r in range(first, first + count):
        for v in range(last):
            out[0, at + v] += S[0, r] * A[rows[r], offset + v]


def product_tile(A, row, theta, j, last, out):
    """The tile of `product` for outputs j … j + last − 1."""
    for c in range(j, j + last):
        total = A.dtype.type(0)
        for f in range(theta.shape[0]):
            total += A[row, f] * theta[f, c]
        out[0, c] = total


def outer_tile(A, row, d, j, last, grad):
    """The tile of `outer` for outputs j … j + last − 1."""
    for f in range(grad.shape[0]):
        for c in range(j, j + last):
            grad[f, c] = A[row, f] * d[0, c]


def step_tile(A, rows, start, length, W, j, width, scales, out, backwards, fetch):
    """The tile of `step` for outputs j … j + width − 1."""
    for c in range(j, j + width):
        totals = [A.dtype.type(0)] * PAIR
        for f in range(length):
            for i in range(PAIR):
                W[c, f] += scales[i, c] * A[rows[0, i], start + f]
            for i in range(PAIR):
                totals[i] += W[c, f] * A[rows[1, i], start + f]
        for i in range(PAIR):
            out[i, c] = totals[i]
    one, other = (A[rows[1, i], start : start + length] for i in range(PAIR))
    out[PAIR, j] = one @ other


def total_tile(G, parts, start, stop, weight, as_step, out):
    """The tile of `total`: 0, or NaN if one of the results is infinite or NaN."""
    span = slice(start, stop)
    totals = weight * sum(G[part, :, span].astype(float) for part in range(parts))
    if as_step:
        out[:, span] += totals
    else:
        out[span] = totals.T
    return 0 if np.isfinite(out[:, span] if as_step else out[span]).all() else np.nan


def gemm(rows, columns, depth, scale, A, a, a_turned, B, b, b_turned, keep, C, c):
    """The product of matrices of `kernels.blas`."""
    left = A[a[0] : a[0] + depth, a[1] : a[1] + rows].T if a_turned else A[a[0] : a[0] + rows, a[1] : a[1] + depth]
    right = (
        B[b[0] : b[0] + columns, b[1] : b[1] + depth].T if b_turned else B[b[0] : b[0] + depth, b[1] : b[1] + columns]
    )
    block = C[c[0] : c[0] + rows, c[1] : c[1] + columns]
    block[...] = scale * (left @ right) + (keep * block if keep else 0)


def read(board, at):
    """A number of the board."""
    return board[at]


def write(board, at, value):
    """Puts a number on the board."""
    board[at] = value


def add(board, at, value):
    """Adds to a number of the board; returns what it was."""
    before = int(board[at])
    board[at] += value
    return before


def rest(briefly):
    """Leave the core to its other thread for a moment, or to another process."""


def touch(entries, start, ways, entry, low, kept):
    """Put an entry in front of its set; gives what was there but for the bits of `low`, or what goes since there is no room."""
    way = _place(entries, start, ways, entry, low)
    last = start + min(way, ways - 1)
    old = entries[last]
    entries[start + 1 : last + 1] = entries[start:last].copy()
    entries[start] = entry | (old & kept if way < ways else entry)
    return old


def mark(entries, start, ways, entry, low, bits):
    """Set those bits of an entry, where it is; whether it is there."""
    way = _place(entries, start, ways, entry, low)
    if way < ways:
        entries[start + way] |= bits
    return way < ways


def _place(entries, start, ways, entry, low):
    """The way that has the entry; as many as there are ways, if none has it."""
    return next((way for way in range(ways) if entries[start + way] ^ entry <= low), ways)


def fetch(entries, start):
    """Ask for the entries at a place, to be used soon."""


def add_lines(A, at, near, count):
    """Σ of `count` lines of eight numbers from A[at] on, each `near` numbers further than the one before it."""
    return sum(float(A[first : first + EIGHT].sum()) for first in range(at, at + count * near, near))


def following(a, b, c, counter):
    """The next 64 random bits, and the state after them: whole numbers of Python, which do not overflow, cut to 64 bits."""
    a, b, c, counter = int(a), int(b), int(c), int(counter)
    bits = (a + b + counter) % 2**64
    turned = (c << 24 | c >> 40) % 2**64
    after = b ^ b >> 11, (c + (c << 3)) % 2**64, (turned + bits) % 2**64, (counter + 1) % 2**64
    return tuple(np.uint64(word) for word in (bits, *after))


def advance(state, lane):
    """The next 64 random bits of a lane."""
    bits, *state[lane::16] = following(*state[lane::16])
    return bits
