"""Samples as columns: X (n, m) in C order, H = θᵀX (k, m). A feature's samples are neighbours in memory (notes 0)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels._jit import inline
from kernels.layouts import rows
from kernels.layouts.base import Layout, blank, block_within, copy_sample, copy_samples
from kernels.simd import dots, mixtures

# A block is read twice, and most of it stays in a 1 MB L2 meanwhile; the longer it is, the longer the runs in memory.
BLOCK_BYTES = 3 << 19
SHORTEST, LONGEST = 64, 512
# So many numbers of a block, or 32 features, are gone through together while as many come from memory. For the second
# product so many features are on their way from a cache further out.
TOGETHER, FEWEST, AHEAD = 1 << 14, 32, 8
SMALL_BYTES = 1 << 18


@inline
def settle(X, picks, count, in_turn, room):
    """Samples that are no neighbours are copied to `room` (samples, features), as rows."""
    if not in_turn:
        copy_samples(X, picks, count, room)


@inline
def logits(X, picks, ahead, count, in_turn, counted, features, length, theta, H, room, half):
    if in_turn:
        blank(H, count)
        samples, small, next_block = X.shape[1], _small(X, length, count), ahead[0] - picks[0]
        together = length if small else max(FEWEST, TOGETHER // count)
        for f in range(0, length, together):
            beyond = together * samples if f + together < length else next_block - f * samples
            some = min(together, length - f)
            mixtures(X, features, features, beyond, f, some, picks[0], count, theta, H, 0, small and half)
    else:
        rows.logits(room, counted, counted, count, in_turn, counted, counted, length, theta, H, room, half)


@inline
def accumulate(X, picks, ahead, count, in_turn, counted, features, length, D, G, room, half):
    if in_turn:
        small, next_block = _small(X, length, count), ahead[0] - picks[0]
        beyond = next_block if small else AHEAD * X.shape[1]
        dots(X, features, features, beyond, length, picks[0], count, D, G, 0, True, small and half)
    else:
        rows.accumulate(room, counted, counted, count, in_turn, counted, counted, length, D, G, room, half)


@inline
def _small(X, length, count):
    """Whether a block leaves room for the next one in the second-level cache: that is fetched then, from the first row on."""
    return length * count * X.itemsize <= SMALL_BYTES


@inline
def extent(X):
    return X.shape[1], X.shape[0]


@inline
def as_row(X, sample, later, start, stop, buffer, slot):
    copy_sample(X, sample, start, stop, buffer, slot)
    return buffer, slot, slot


@inline
def samples_per_block(n, itemsize, in_turn):
    if in_turn:
        return block_within(BLOCK_BYTES, n, itemsize, SHORTEST, LONGEST)
    return rows.within_cache(n, itemsize)  # copies, of which there should be few


@inline
def room_for(n, block, in_turn):
    return (0, 0) if in_turn else (block, n)


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

    def visiting(self, order: NDArray[np.int64], batch: int, samples: int) -> NDArray[np.int64]:
        """Each batch from the left to the right: neighbours share cache lines, and none is fetched more than once.

        A batch of all samples is visited as they come, which takes no order.
        """
        if len(order) == batch == samples:
            met = np.zeros(samples, bool)
            met[order] = True
            if met.all():
                return order[:0]
        whole = len(order) - len(order) % batch
        visits = order.copy()
        visits[:whole].reshape(-1, batch).sort(axis=1)
        visits[whole:].sort()
        return visits

    def arrange(self, samples: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(samples.T)
