"""Reuse distances: how many other lines are used before the same one is used again; misses of every size of cache at once.

    distance d hits in a fully associative LRU cache of more than d lines; misses(c) = first uses + #{d ≥ c}

Source: R. Mattson et al., Evaluation techniques for storage hierarchies, 1970, doi:10.1147/sj.92.0078.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import types
from numpy.typing import ArrayLike, NDArray

from kernels import check
from kernels._jit import inline, once, serial
from kernels.memory.expansion import expanded
from kernels.memory.references import Trace
from kernels.memory.streams import Accesses, lines_of
from kernels.signatures import Kernel, reads, writes


@dataclass(frozen=True, eq=False)
class ReuseDistances:
    """`counts[d]`: accesses with d other lines since the last use of their own; `first_uses`: those without one."""

    counts: NDArray[np.int64]
    first_uses: int
    line_bytes: int

    @property
    def accesses(self) -> int:
        """Accesses of lines in all."""
        return self.first_uses + int(self.counts.sum())

    def misses(self, lines: int) -> int:
        """Misses of a fully associative LRU cache that holds so many lines."""
        return self.first_uses + int(self.counts[check.whole("lines", lines) :].sum())


def reuse_distance(stream: Trace | Accesses | ArrayLike, line_bytes: int = 64) -> ReuseDistances:
    """The reuse distances of a stream of accesses (addresses, `Accesses`, or a `Trace` of one thread), by lines.

    An access that spans lines uses each of them. Time grows as accesses · log(lines).
    """
    if isinstance(stream, Trace):
        if len(stream.threads) != 1:
            raise ValueError(f"stream: {len(stream.threads)} threads; should be one, whose order of accesses is known")
        stream = expanded(stream)
    lines = lines_of(stream, line_bytes)
    used, numbers = np.unique(lines, return_inverse=True)
    counts = np.zeros(max(1, used.size), np.int64)
    first = _measuring()(numbers.astype(np.int64, copy=False), used.size, counts)
    return ReuseDistances(counts[: 1 + int(np.flatnonzero(counts).max(initial=-1))], first, line_bytes)


@inline
def _add(tree, place, change):
    """A Fenwick tree: one number changes."""
    place += 1
    while place < tree.size:
        tree[place] += change
        place += place & -place


@inline
def _sum_up_to(tree, place):
    """The sum of the numbers at 0 … place."""
    total, place = 0, place + 1
    while place > 0:
        total += tree[place]
        place -= place & -place
    return total


@inline
def _close_up(tree, line_at, last):
    """Move the lines, in their order, to the front of a full list; the tree counts them anew: how many there are."""
    live = 0
    for place in range(line_at.size):
        line = line_at[place]
        line_at[place] = -1
        if line >= 0:
            line_at[live], last[line] = line, live
            live += 1
    tree[:] = 0
    for place in range(1, tree.size):
        tree[place] += 1 if place <= live else 0
        above = place + (place & -place)
        if above < tree.size:
            tree[above] += tree[place]
    return live


@once
def _measuring() -> Kernel:
    """`measure(numbers, distinct, counts)` → first uses: `numbers` are lines, numbered from 0 on."""

    def measure(numbers, distinct, counts):
        # Where a line was last used, in a list twice as long as there are lines: it is closed up when it is full.
        size = 2 * distinct
        tree, line_at, last = np.zeros(size + 1, np.int64), np.full(size, -1), np.full(distinct, -1)
        now, live = 0, 0
        for line in numbers:
            if now == size:
                now = _close_up(tree, line_at, last)
            before = last[line]
            if before < 0:
                live += 1
            else:
                counts[live - _sum_up_to(tree, before)] += 1
                _add(tree, before, -1)
                line_at[before] = -1
            _add(tree, now, 1)
            line_at[now], last[line] = line, now
            now += 1
        return live

    whole = types.int64
    return serial(whole(reads(whole, 1), whole, writes(whole, 1)))(measure)
