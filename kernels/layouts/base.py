"""What a layout is: how X lies in memory, and how the passes move a block of samples through the two products.

The passes in `kernels.passes` work on blocks of some dozens of samples. Inside a block the logits and deltas lie as
H (k, samples) whatever the layout, and the parameters and their gradient as (k, n), so that a loss knows no layout
and both products run along contiguous memory. A layout is these plain functions:

    extent(X)                                                             (samples, features)
    as_row(X, sample, later, start, stop, buffer, slot)                   one sample as a row of a matrix: the matrix, the
                                                                          row, and the row of the sample `later`; `buffer`
                                                                          (slots, n) may hold a copy of features start … stop
    samples_per_block(n, itemsize, in_turn)                               how many samples a block has
    room_for(n, block, in_turn)                                           shape of what it needs to work in
    settle(X, picks, count, in_turn, room)                                bring the block into `room`, where that is needed
    logits(X, picks, ahead, count, in_turn, counted, features, length, theta, H, room, half)
                                                                          H[:, :count] = the block's rows of Xθ, or the share
                                                                          that some features have in it
    accumulate(X, picks, ahead, count, in_turn, counted, features, length, D, G, room, half)
                                                                          G += its part of (XᵀΔ)ᵀ, Δ as D (k, samples)
    store(H, out, start, count)                                           the block's logits into the caller's array
    load(given, start, count, D)                                          its deltas out of the caller's array

The block's samples are picks[:count], which are neighbours if `in_turn`; those of the next block are `ahead`; `counted`
is 0, 1, 2 …. The features are features[:length], neighbours, all of them or a slice: θ and G begin with the first of them,
and the room holds all. `half`: the other product goes through the block too, and each may fetch one half of the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from kernels._jit import inline


@inline
def block_within(size, n, itemsize, shortest, longest):
    """How many samples of n features take about `size` bytes: a multiple of `shortest`, and no more than `longest`."""
    return max(shortest, min(longest, size // (n * itemsize) // shortest * shortest))


@inline
def blank(H, count):
    """H[:, :count] ← 0"""
    for j in range(H.shape[0]):
        for r in range(count):
            H[j, r] = 0


@inline
def copy_samples(X, picks, count, room):
    """room (samples, features) ← the columns `picks` of X"""
    for f in range(X.shape[0]):
        for r in range(count):
            room[r, f] = X[f, picks[r]]


@inline
def copy_sample(X, sample, start, stop, buffer, slot):
    """buffer[slot, start : stop] ← a column of X"""
    for f in range(start, stop):
        buffer[slot, f] = X[f, sample]


@dataclass(frozen=True)
class Layout:
    """A layout convention. A subclass in a file of its own is all that a new layout takes."""

    name: ClassVar[str]
    features_first: ClassVar[bool]  # X is (n, samples), not (samples, n)
    extent: ClassVar[Callable[..., tuple[int, int]]]
    as_row: ClassVar[Callable[..., tuple[Any, int, int]]]
    samples_per_block: ClassVar[Callable[..., int]]
    room_for: ClassVar[Callable[..., tuple[int, int]]]
    settle: ClassVar[Callable[..., None]]
    logits: ClassVar[Callable[..., None]]
    accumulate: ClassVar[Callable[..., None]]
    store: ClassVar[Callable[..., None]]
    load: ClassVar[Callable[..., None]]

    def shape(self, samples: int, width: int) -> tuple[int, int]:
        """Shape in this layout of an array that has `width` numbers for each of so many samples."""
        raise NotImplementedError(f"{type(self).__name__} states no shape")

    def samples(self, shape: tuple[int, ...]) -> int:
        """How many samples an array of that shape holds."""
        raise NotImplementedError(f"{type(self).__name__} states no sample axis")

    def width(self, shape: tuple[int, ...]) -> int:
        """How many numbers for each sample an array of that shape holds."""
        raise NotImplementedError(f"{type(self).__name__} states no feature axis")

    def visiting(self, order: NDArray[np.int64], batch: int, samples: int) -> NDArray[np.int64]:
        """The order in which the samples of each batch are best visited: within a batch it does not matter.

        Empty for all `samples` as they come.
        """
        return order

    def arrange(self, samples: NDArray[Any]) -> NDArray[Any]:
        """X (m, n), given as samples in rows, in this layout's memory order: C-contiguous, copied only if need be."""
        raise NotImplementedError(f"{type(self).__name__} states no arrangement")
