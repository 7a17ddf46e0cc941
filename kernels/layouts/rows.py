"""Samples as rows: X (m, n) in C order, H = Xθ (m, k). A sample's features are neighbours in memory (notes 0, 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels._jit import inline
from kernels.layouts.base import Layout, block_within
from kernels.simd import dots, mixtures

# A block is read twice, and stays in a quarter of a 1 MB L2 meanwhile, with the next one on its way.
BLOCK_BYTES = 1 << 17
SHORTEST, LONGEST = 16, 32
# A block of more bytes is read from further away both times. It is the longest, so that θ and the gradient come by less
# often; and what is fetched is no later block, which would be gone again, but what comes so many bytes further on.
LARGEST_BYTES, NEXT_LOGITS, NEXT_GRADIENT = 1 << 20, 1 << 14, 1 << 11


@inline
def settle(X, picks, count, in_turn, room):
    """A sample is a row, wherever it lies: there is nothing to do."""


@inline
def logits(X, picks, ahead, count, in_turn, counted, features, length, theta, H, room, half):
    if _is_too_large(X, count, length):
        dots(X, picks, picks, NEXT_LOGITS // X.itemsize, count, features[0], length, theta, H, 0, False, False)
    else:
        dots(X, picks, ahead, 0, count, features[0], length, theta, H, 0, False, half)


@inline
def accumulate(X, picks, ahead, count, in_turn, counted, features, length, D, G, room, half):
    if _is_too_large(X, count, length):
        mixtures(X, picks, picks, NEXT_GRADIENT // X.itemsize, 0, count, features[0], length, D, G, 0, False)
    else:
        mixtures(X, picks, ahead, 0, 0, count, features[0], length, D, G, 0, half)


@inline
def _is_too_large(X, count, length):
    """Whether no cache near the cores holds a block until it is read again."""
    return count * length * X.itemsize > LARGEST_BYTES


@inline
def extent(X):
    return X.shape[0], X.shape[1]


@inline
def as_row(X, sample, later, start, stop, buffer, slot):
    return X, sample, later


@inline
def within_cache(n, itemsize):
    """How many samples stay in the second-level cache, or the fewest that pay."""
    return block_within(BLOCK_BYTES, n, itemsize, SHORTEST, LONGEST)


@inline
def samples_per_block(n, itemsize, in_turn):
    return LONGEST if SHORTEST * n * itemsize > LARGEST_BYTES else within_cache(n, itemsize)


@inline
def room_for(n, block, in_turn):
    return 0, 0


@inline
def store(H, out, start, count):
    for r in range(count):
        for j in range(H.shape[0]):
            out[start + r, j] = H[j, r]


@inline
def load(given, start, count, D):
    for r in range(count):
        for j in range(D.shape[0]):
            D[j, r] = given[start + r, j]


@dataclass(frozen=True)
class Rows(Layout):
    """X (m, n): one sample a row."""

    name = "rows"
    features_first = False
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
        return samples, width

    def samples(self, shape: tuple[int, ...]) -> int:
        return shape[0]

    def width(self, shape: tuple[int, ...]) -> int:
        return shape[1] if len(shape) > 1 else 1

    def arrange(self, samples: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(samples)
