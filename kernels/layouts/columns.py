"""Samples as columns: X (n, m) in C order, H = θᵀX (k, m). A feature's samples are neighbours in memory (notes 0)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels._jit import inline
from kernels.layouts.base import Layout, block_within
from kernels.simd import dots, mixtures

# A block is read twice, and most of it stays in a 1 MB L2 meanwhile; the longer it is, the fewer pages are touched.
BLOCK_BYTES = 1 << 20
SHORTEST, LONGEST = 64, 512
AHEAD = 64


@inline
def settle(X, picks, count, in_turn, room):
    """Samples that are no neighbours are put side by side in `room` (features, samples)."""
    if not in_turn:
        for f in range(X.shape[0]):
            for r in range(count):
                room[f, r] = X[f, picks[r]]


@inline
def logits(X, picks, ahead, count, in_turn, features, theta, H, room):
    n = X.shape[0]
    H[:, :count] = 0
    if in_turn:
        mixtures(X, features, features, AHEAD, n, picks[0], count, theta, H, 0)
    else:
        mixtures(room, features, features, 0, n, 0, count, theta, H, 0)


@inline
def accumulate(X, picks, ahead, count, in_turn, features, D, G, room):
    n = X.shape[0]
    if in_turn:
        dots(X, features, features, ahead[0] - picks[0], n, picks[0], count, D, G, 0, True)
    else:
        dots(room, features, features, 0, n, 0, count, D, G, 0, True)


@inline
def extent(X):
    return X.shape[1], X.shape[0]


@inline
def as_row(X, sample, later, buffer, slot):
    for f in range(X.shape[0]):
        buffer[slot, f] = X[f, sample]
    return buffer, slot, slot


@inline
def samples_per_block(n, itemsize):
    return block_within(BLOCK_BYTES, n, itemsize, SHORTEST, LONGEST)


@inline
def room_for(n, block, in_turn):
    return (0, 0) if in_turn else (n, block)


@inline
def store(H, out, start, count):
    for j in range(H.shape[0]):
        for r in range(count):
            out[j, start + r] = H[j, r]


@inline
def load(given, start, count, D):
    for j in range(D.shape[0]):
        for r in range(count):
            D[j, r] = given[j, start + r]


@dataclass(frozen=True)
class Columns(Layout):
    """X (n, m): one sample a column."""

    name = "columns"
    features_first = True
    extent = extent
    as_row = as_row
    samples_per_block = samples_per_block
    room_for = room_for
    settle = settle
    logits = logits
    accumulate = accumulate
    store = store
    load = load

    def shape(self, samples: int, width: int) -> tuple[int, int]:
        return width, samples

    def samples(self, shape: tuple[int, ...]) -> int:
        return shape[-1]

    def width(self, shape: tuple[int, ...]) -> int:
        return shape[0] if len(shape) > 1 else 1

    def visiting(self, order: NDArray[np.int64], batch: int) -> NDArray[np.int64]:
        """Each batch from the left to the right: neighbours share cache lines, and none is fetched more than once."""
        whole = len(order) - len(order) % batch
        visits = order.copy()
        visits[:whole].reshape(-1, batch).sort(axis=1)
        visits[whole:].sort()
        return visits

    def arrange(self, rows: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(rows.T)
