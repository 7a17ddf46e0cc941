"""What a pass misses in the long run, when it is taken again and again: for each number of X that it visits.

A small pass is simulated whole, after itself. Of a long one some blocks are: the last cache first gets what an earlier pass
leaves of X, as far as it can hold that, all caches get the end of this, and the first third of the blocks; what the others miss
is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels._jit import uncollected
from kernels.memory.geometry import Cache
from kernels.memory.references import Gather, Loop, Reference, Trace
from kernels.memory.simulation import LongAgo
from kernels.memory.trace import OPERANDS, Problem, Recording, record
from kernels.memory.tracing import Mark

# Loops and references of each thread that are written down.
MOST = 500
# Where samples lie side by side, so many at least: some lines of them.
SAMPLES = 96
# So many times what a cache holds is enough to fill it.
ENOUGH = 1.5


@dataclass(frozen=True)
class Steady:
    """A piece of a pass in the long run: what came before, in turn, the piece itself, and how many numbers of X it visits.

    Small caches remember no more than the last of what came before.
    """

    before: tuple[Trace | LongAgo, ...]
    piece: Trace
    elements: float


def steady(problem: Problem, caches: Sequence[Cache], most: int = MOST, samples: int = SAMPLES) -> Steady:
    """A piece of the pass, and what to simulate before it, for those caches, from the nearest on.

    The trace of each thread ends with the block where it has `most` loops and references; and, where samples lie side by side, so
    many `samples`: in a shuffled order all features of one are found or missed together, and that of 64 has a standard
    deviation of 0.06 of them.

    Raises NoTrace where the work is left to BLAS.
    """
    with uncollected():
        recorded = record(problem, most, samples if problem.objective.layout.features_first else 0)
    if recorded.is_whole:
        visited = problem.visits.size or problem.samples
        return Steady((recorded.trace,), recorded.trace, visited * problem.features)
    first, rest, visited = _parts(recorded)
    *nearer, last = caches
    long_ago = LongAgo(Trace(tuple(_left_over(problem, recorded, caches, last)), OPERANDS))
    own, *of_others = _left_over(problem, recorded, caches, nearer[-1]) if nearer else [()] * problem.threads
    lately = Trace(((*own, *_lines_of(recorded, last)), *of_others), OPERANDS)
    return Steady((long_ago, lately, first), rest, visited * problem.features / recorded.team)


def _parts(recorded: Recording) -> tuple[Trace, Trace, int]:
    """The recording up to where each thread has seen a third of its samples, the rest, and how many the threads visit in that."""
    first, rest, samples = [], [], 0
    for body, marks in zip(recorded.trace.threads, recorded.marks, strict=True):
        *blocks, end = marks or [Mark(len(body), 0)]  # a thread may have had nothing to do
        cut = next((mark for mark in blocks if 3 * mark.samples >= end.samples), blocks[-1] if blocks else end)
        first.append(body[: cut.length])
        rest.append(body[cut.length :])
        samples += end.samples - cut.samples
    return Trace(tuple(first), OPERANDS), Trace(tuple(rest), OPERANDS), samples


def _lines_of(recorded: Recording, last: Cache) -> tuple[Loop, ...]:
    """The lines of all but X, once each: the last cache holds them, or a part of them that is soon gone."""
    line = last.line_bytes
    return tuple(
        Loop(-(-size // line), (Reference(operand, address, (line,)),))
        for operand, address, size in recorded.arrays
        if size <= last.size_bytes
    )


def _left_over(problem: Problem, recorded: Recording, caches: Sequence[Cache], cache: Cache) -> list[tuple[Loop, ...]]:
    """What an earlier pass may have left of X in one of the caches, by the thread that asked for it: the samples that came last.

    Of what is larger than the last cache and was gone through in turn, nothing is found again.
    """
    layout, itemsize = problem.objective.layout, np.dtype(problem.dtype).itemsize
    rows, columns = layout.shape(problem.samples, problem.features)
    size, visits = rows * columns * itemsize, problem.visits
    if not visits.size and size > ENOUGH * caches[-1].size_bytes:
        return [()] * problem.threads
    groups = max(1, sum(map(bool, recorded.trace.threads)) // recorded.team)
    room = int(ENOUGH * cache.size_bytes) * (1 if cache.shared else problem.threads)
    if layout.features_first and (not visits.size or size <= cache.size_bytes):
        own = 1 + room // (rows * itemsize * groups)
        samples: list[Any] = [share[-own:] for share in _shares(range(problem.samples), groups)]
    else:
        lines = rows if layout.features_first else -(-columns * itemsize // cache.line_bytes)
        samples = _latest(problem, 1 + room // (lines * cache.line_bytes), groups)
    slices = _shares(range(problem.features), recorded.team)
    left = [_of_x(problem, group, features) for group in samples for features in slices]
    return left + [()] * (problem.threads - len(left))


def _of_x(problem: Problem, samples: range | NDArray[np.int64], features: range) -> tuple[Loop, ...]:
    """Some features of some samples: one after the other, or, of neighbours in columns, a block after the other."""
    layout, itemsize = problem.objective.layout, np.dtype(problem.dtype).itemsize
    row = (problem.leading or layout.shape(problem.samples, problem.features)[1]) * itemsize
    if isinstance(samples, range):
        block = type(layout).samples_per_block(problem.features, itemsize, True)
        blocks, rest = divmod(len(samples), block)
        at, run = problem.start + samples.start * itemsize + features.start * row, block * itemsize
        return (
            Loop(blocks, (Loop(len(features), (Reference("X", at, (run, row), run),)),)),
            Loop(len(features) if rest else 0, (Reference("X", at + blocks * run, (row,), rest * itemsize),)),
        )
    if layout.features_first:
        at, parts, together, to_next = features.start * row, len(features), itemsize, itemsize
    else:
        at, parts, together, to_next = features.start * itemsize, 1, len(features) * itemsize, row
    part = Reference("X", problem.start + at, (0, row), together, gather=Gather(samples, to_next, 0, (1,)))
    return (Loop(len(samples), (Loop(parts, (part,)),)),)


def _latest(problem: Problem, count: int, groups: int) -> list[NDArray[np.int64]]:
    """The samples that were visited last, `count` of them, by groups of threads: of each batch each has its share."""
    visits = problem.visits if problem.visits.size else np.arange(problem.samples)
    batch = problem.batch if problem.work == "epoch" else visits.size
    first = max(0, visits.size - batch - count) // batch * batch
    place = np.arange(first, visits.size)
    size = np.minimum(batch, visits.size - place // batch * batch)  # of the batch that it is in
    owner = -(-(place % batch + 1) * groups // size) - 1  # as `_shares` has it
    own = -(-count // groups)
    return [visits[place[owner == group]][-own:] for group in range(groups)]


def _shares(of: Any, number: int) -> list[Any]:
    """A list or a range in so many runs."""
    return [of[len(of) * i // number : len(of) * (i + 1) // number] for i in range(number)]
